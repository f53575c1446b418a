"""Errors and warnings of commands: one sentence on standard error, and the exit code."""

import itertools
import sys
import warnings
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from charrnn.cli.settings import is_from_file_or_run
from charrnn.cli.usage import ParserError, explain_usage_error
from charrnn.config.model import ModelConfig
from charrnn.config.text import TextConfig
from charrnn.config.training import TrainConfig
from charrnn.errors import (
    CharrnnError,
    DamagedCheckpointWarning,
    DeviceWarning,
    UnknownCharactersWarning,
)
from charrnn.files import list_disk_remedies

_OUT_OF_MEMORY = CharrnnError(
    "there is not enough memory",
    "close other programs",
    "give a smaller --hidden-size",
    "give a smaller --batch-size",
    "give a smaller --num-samples",
    "give a smaller --context",
)
# Parts of the messages of torch's allocators and of the CUDA driver, which raise RuntimeError.
_OUT_OF_MEMORY_PHRASES = (
    "DefaultCPUAllocator",
    "CUDA error: out of memory",
    "MPS backend out of memory",
)
_ILLEGAL_ACCESS = CharrnnError(
    "the GPU reported an illegal memory access, so this process can no longer use the GPU; the "
    "saved checkpoints are intact",
    "continue a training run with `charrnn resume`",
    "set CHARRNN_CUDA_KERNEL=off if the error occurs again",
    "give --device cpu to compute without the GPU",
)
_SHOWN_WARNINGS = (DamagedCheckpointWarning, DeviceWarning, UnknownCharactersWarning)
_DEFAULT_SHOWWARNING = warnings.showwarning


class CommandGroup(TyperGroup):
    """The group of all commands: an error prints one sentence.

    The exit code is 2 if the arguments alone are wrong, else 1.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments of `charrnn` itself; without arguments, show the help."""
        if not args:
            return super().parse_args(ctx, args)
        try:
            return super().parse_args(ctx, args)
        except ParserError as error:
            _fail(explain_usage_error(error, "charrnn"), exit_code=2)

    def invoke(self, ctx: Any) -> Any:
        """Run a command; raise `typer.Exit` with the exit code of an error."""
        try:
            with warnings.catch_warnings():
                for category in _SHOWN_WARNINGS:
                    warnings.simplefilter("always", category)
                warnings.showwarning = _show_warning
                return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
        except ParserError as error:
            _fail(*self._explain_parser_error(error, ctx))
        except CharrnnError as error:
            if error.reported_by_rank_zero:
                raise typer.Exit(1) from None
            message = error.explain(self._flags(ctx))
        except (MemoryError, RuntimeError) as error:
            if _is_out_of_memory(error):
                message = _OUT_OF_MEMORY.explain(self._flags(ctx))
            elif "illegal memory access" in str(error):
                message = _ILLEGAL_ACCESS.explain(self._flags(ctx))
            else:
                raise
        except OSError as error:
            message = _explain_os_error(error)
        return _fail(message, exit_code=1)

    def _explain_parser_error(self, error: Any, ctx: Any) -> tuple[str, int]:
        """Return one sentence about wrong arguments, and the exit code."""
        command = ctx.invoked_subcommand if ctx.invoked_subcommand in self.commands else None
        flag = getattr(error, "option_name", None)
        setting = self._find_setting(flag)
        if command == "resume" and setting and flag not in self._flags(ctx):
            way = "from its weights with `charrnn train --init-from RUN"
            if setting in ModelConfig.__dataclass_fields__:
                way = "with its other settings with `charrnn train --like RUN"
            return (
                f"the settings of a run do not change, so resume has no {flag}: start a new run "
                f"{way} {flag} ...`",
                2,
            )
        program = f"charrnn {command}" if command else "charrnn"
        sentence = explain_usage_error(error, program, self._flags(ctx))
        if _is_in_settings_file(error):
            return f"{sentence} (a setting of --config or --like)", 1
        return sentence, 2

    def _find_setting(self, flag: str | None) -> str | None:
        """Return the setting of a run that a flag of `train` sets; None for all other flags."""
        for option in self.commands["train"].params:
            if flag in (*option.opts, *option.secondary_opts):
                configs = (ModelConfig, TextConfig, TrainConfig)
                is_setting = any(option.name in kind.__dataclass_fields__ for kind in configs)
                return option.name if is_setting else None
        return None

    def _flags(self, ctx: Any) -> set[str]:
        """Return the flags of the command that runs."""
        command = self.commands.get(ctx.invoked_subcommand)
        return list_flags(command) if command else set()


def list_flags(command: Any) -> set[str]:
    """Return the flags of a command, also those that negate another one."""
    options = ([*option.opts, *option.secondary_opts] for option in command.params)
    return set(itertools.chain(*options))


def _is_in_settings_file(error: Any) -> bool:
    """Return whether a wrong value is not that of a flag, but comes from --config or --like."""
    context, param = getattr(error, "ctx", None), getattr(error, "param", None)
    if context is None or param is None:
        return False
    return is_from_file_or_run(context, param.name)


def _fail(message: str, exit_code: int) -> NoReturn:
    from charrnn.console.output import print_error

    print_error(message)
    raise typer.Exit(exit_code)


def _explain_os_error(error: OSError) -> str:
    """Return one sentence about an error of the operating system."""
    reason = error.strerror or str(error)
    if error.filename:
        reason = f"{error.filename} cannot be used ({reason})"
    return str(CharrnnError(reason, *list_disk_remedies(error)))


def _is_out_of_memory(error: MemoryError | RuntimeError) -> bool:
    if isinstance(error, MemoryError):
        return True
    torch = sys.modules.get("torch")  # if torch was not imported, it raised no error
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return True
    return any(phrase in str(error) for phrase in _OUT_OF_MEMORY_PHRASES)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: str | None = None,
) -> None:
    from charrnn.console.output import is_quiet, print_warning

    if issubclass(category, _SHOWN_WARNINGS):
        print_warning(str(message))
    elif not is_quiet():
        _DEFAULT_SHOWWARNING(message, category, filename, lineno, file, line)
