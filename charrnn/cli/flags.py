"""Command-line flags made from config dataclasses, and the arguments that commands share."""

import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from charrnn.config.benchmark import BenchConfig
from charrnn.config.model import ModelConfig
from charrnn.config.parsing import parse_duration, parse_temperatures
from charrnn.config.sampling import SampleConfig
from charrnn.config.text import TextConfig
from charrnn.config.training import FROM_TEXT, Budget, DeviceName, TrainConfig
from charrnn.errors import ConfigError

if TYPE_CHECKING:
    from charrnn.runs.run import Run

_SHORT = {"temperature": "-t", "length": "-n", "seed": "-s"}
_METAVARS: dict[Any, str] = {parse_duration: "TIME", parse_temperatures: "NUMBER[,...]"}


def _of_kind(*kinds: str) -> Callable[[Path | None], Path | None]:
    def checked(path: Path | None) -> Path | None:
        if path is not None and path.suffix.lower().removeprefix(".") not in kinds:
            names = " or ".join(f".{kind}" for kind in kinds)
            raise typer.BadParameter(f"the name of the file ends in {names}, not {path.name!r}")
        return path

    return checked


def complete_run(incomplete: str) -> list[str]:
    """Return the names of runs that begin like this, for shell completion."""
    from charrnn.runs.find import BUNDLED, run_paths

    names = [*(path.name for path in run_paths()), BUNDLED]
    return [name for name in names if name.startswith(incomplete) and name.isprintable()]


RunArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="RUN",
        help="A run folder, or a name under checkpoints/; left out: the newest run.",
        show_default=False,
        autocompletion=complete_run,
    ),
]
CorpusOption = Annotated[
    str | None,
    typer.Option("--corpus", help="Where the run's text is now.", metavar="FILE"),
]
CheckpointOption = Annotated[
    str, typer.Option("--checkpoint", help="best, last or step-N.", metavar="NAME")
]
DeviceOption = Annotated[DeviceName, typer.Option(help="Where to compute.")]
PageOption = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        help="Write a page (.html) instead.",
        metavar="FILE",
        show_default=False,
        callback=_of_kind("html"),
    ),
]
PictureOption = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        help="Write a picture (.png, .svg), or a page on the whole run (.html).",
        metavar="FILE",
        show_default=False,
        callback=_of_kind("png", "svg", "html"),
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def config_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Turn each parameter that is a config dataclass into one flag for each of its fields."""
    parameters: list[inspect.Parameter] = []
    configs: dict[str, Any] = {}
    for name, parameter in inspect.signature(command).parameters.items():
        if dataclasses.is_dataclass(parameter.annotation):
            configs[name] = parameter.annotation
            parameters += _flags(parameter.annotation)
        else:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))

    @functools.wraps(command)
    def run(**values: Any) -> None:
        for name, config in configs.items():
            fields = [field.name for field in dataclasses.fields(config)]
            values[name] = config(**{field: values.pop(field) for field in fields})
        command(**values)

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


def _flags(config: Any) -> list[inspect.Parameter]:
    hints = typing.get_type_hints(config, include_extras=True)
    parameters = []
    for field in dataclasses.fields(config):
        kind, *details = typing.get_args(hints[field.name])
        explanation = next(detail for detail in details if isinstance(detail, str))
        parse = next(filter(callable, details), None)
        names = ["--" + field.name.replace("_", "-")]
        if config is SampleConfig and field.name in _SHORT:
            names.append(_SHORT[field.name])
        option = typer.Option(
            *names,
            help=explanation,
            rich_help_panel=_panel(config, field.name),
            show_default=_shown_default(config, field, details),
            parser=_usage_error(parse) if parse else None,
            metavar=_METAVARS[parse] if parse else None,
        )
        parameters.append(
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=field.default,
                # What a parser returns need not be a kind that Typer knows.
                annotation=Annotated[float | None if parse else kind, option],
            )
        )
    return parameters


def _shown_default(
    config: Any, field: "dataclasses.Field[Any]", details: list[object]
) -> str | bool:
    if config is TrainConfig and FROM_TEXT in details:  # with a Budget alone, a run is resumed
        return "from the text"
    if field.name == "max_time" and field.default is not None:
        return f"{field.default:g}s"
    return field.default is not None


def _panel(config: Any, field: str) -> str:
    if field in {each.name for each in dataclasses.fields(Budget)}:
        return "Budget"
    return {
        TextConfig: "Text",
        ModelConfig: "Network",
        TrainConfig: "Training",
        BenchConfig: "Sizes",
    }.get(config, "Writing")


def _usage_error(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a parser whose failure is a wrong usage (exit code 2)."""

    def parsed(given: Any) -> Any:
        try:
            return parse(given) if isinstance(given, str) else given  # a default is parsed already
        except ConfigError as error:
            raise typer.BadParameter(str(error)) from None

    return parsed


def open_run(name: str | None) -> "Run":
    """Return the run of that name; where none is named, say which it is."""
    from charrnn.console.output import stderr_console
    from charrnn.console.text import make_printable
    from charrnn.runs.find import BUNDLED, bundled_path, find_run

    run = find_run(name)
    if name is None and run.path == bundled_path():
        stderr_console().print(
            f"no run here yet, so this is {BUNDLED}, the model that comes with charrnn"
        )
    elif name is None:
        stderr_console().print(make_printable(f"newest run: {run.path}"))
    return run
