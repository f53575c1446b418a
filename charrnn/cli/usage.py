"""Wrong usage: calls that are wrong whatever is on the disk. They end with exit code 2."""

import functools
import re
from collections.abc import Callable, Collection
from typing import Any, ParamSpec, TypeVar

import typer

from charrnn.errors import CharrnnError, ConfigError

P = ParamSpec("P")
R = TypeVar("R")

ParserError: Any = typer.BadParameter.__base__
"""The base class of the errors of Typer's parser. Typer gives it no public name."""


class UsageError(typer.BadParameter):
    """The arguments of a command contradict each other, or one of them is wrong.

    The message is a complete sentence. `error` is the error of the package that it repeats.
    """

    def __init__(self, message: str = "", *, error: CharrnnError | None = None) -> None:
        super().__init__(message or str(error))
        self.error = error


def as_usage_error(check: Callable[P, R]) -> Callable[P, R]:
    """Return a function that raises the `CharrnnError` of `check` as a `UsageError`."""

    @functools.wraps(check)
    def call(*arguments: P.args, **settings: P.kwargs) -> R:
        try:
            return check(*arguments, **settings)
        except CharrnnError as error:
            raise UsageError(error=error) from None

    return call


def refuse_options(context: typer.Context, names: Collection[str], reason: str) -> None:
    """Raise `UsageError` for an option that was given although it has no effect.

    `names` are the names of parameters; `reason` completes the sentence.
    """
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if parameter.name in names and source is not None and source.name == "COMMANDLINE":
            raise UsageError(f"{_name_parameter(parameter)} has no effect {reason}")


def explain_usage_error(error: Any, program: str, flags: Collection[str] = ()) -> str:
    """Return one sentence about an error of the parser; `flags` are those of the command."""
    param = getattr(error, "param", None)
    if isinstance(error, UsageError):
        sentence = error.error.explain(flags) if error.error else str(error.message)
        is_unnamed = isinstance(error.error, ConfigError) and not error.error.setting
        return f"{_name_parameter(param)}: {sentence}" if param and is_unnamed else sentence
    if isinstance(error, typer.BadParameter) and param is not None:
        return (
            f"{_name_parameter(param)} {_describe_problem(str(error.message).strip().rstrip('.'))}"
        )
    sentence = " ".join(error.format_message().split()).rstrip(".")
    sentence = sentence[:1].lower() + sentence[1:]
    if extra := re.fullmatch(r"got unexpected extra arguments?(?:\(s\))? \((.*)\)", sentence):
        sentence = f"too many arguments: {extra[1]}"
    if suggestion := re.search(
        r"\.? \(?(?:did you mean|possible options:) (.*?)[?)]*$", sentence, re.I
    ):
        return (
            f"{sentence[: suggestion.start()]}: did you mean {suggestion[1].replace(', ', ' or ')}?"
        )
    return f"{sentence}: see `{program} --help`"


def _name_parameter(param: Any) -> str:
    """Return the long flag of an option, or the name of an argument in the help, such as RUN."""
    if param.param_type_name == "argument":
        return str(param.metavar or param.name).removesuffix("...")
    return str(max(param.opts, key=len))


def _describe_problem(problem: str) -> str:
    """Return what the parser expects for a value, from its message; versions of Typer differ."""
    problem = problem.removeprefix("Value error, ")
    if match := re.fullmatch(r"(.+) is not one of (.+)", problem):
        choices = match[2].replace("'", "")
        return f"must be one of {choices}, not {match[1]}"
    return f"has a wrong value: {problem}"
