"""Command-line flags that are made from config dataclasses, and arguments of several commands."""

import dataclasses
import functools
import inspect
import re
import typing
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from charrnn.cli.paths import make_file_parser, parse_name, text_option
from charrnn.cli.usage import UsageError, as_usage_error
from charrnn.config.benchmark import BenchConfig
from charrnn.config.checks import Range, check_value
from charrnn.config.model import ModelConfig
from charrnn.config.parsing import parse_duration, parse_temperatures
from charrnn.config.sampling import SampleConfig
from charrnn.config.text import ReadingConfig, TextConfig
from charrnn.config.training import FROM_TEXT, Budget, DeviceName, TrainConfig

if TYPE_CHECKING:
    from charrnn.runs.run import Run

_SHORT_FLAGS = {"temperature": "-t", "length": "-n", "seed": "-s"}
_NUMBER_METAVARS: dict[Any, str] = {int: "INTEGER", float: "FLOAT"}
_METAVARS: dict[Any, str] = {parse_duration: "TIME", parse_temperatures: "NUMBER[,...]"}


def _parse_checkpoint(text: str) -> str:
    if not re.fullmatch(r"best|last|step-\d+", text):
        raise UsageError(
            f"--checkpoint must be best, last or step-N, such as step-500, not {text!r}"
        )
    return text


def number_option(
    kind: type[int] | type[float], allowed: Range, *names: str, help_text: str
) -> Any:
    """Return an option, of which `names` are the long flag and others, with a number as value."""
    name = names[0].removeprefix("--").replace("-", "_")
    return typer.Option(
        *names,
        help=help_text,
        parser=_make_parser(functools.partial(_parse_number, name, kind, allowed)),
        metavar=_NUMBER_METAVARS[kind],
    )


def page_option(help_text: str) -> Any:
    """Return the option --out of a command that writes an HTML page."""
    return typer.Option(
        "--out",
        "-o",
        help=help_text,
        metavar="FILE",
        show_default=False,
        parser=make_file_parser(".html"),
    )


def complete_run_name(incomplete: str) -> list[str]:
    """Return the names of the runs that start with `incomplete`, for shell completion."""
    from charrnn.runs.find import BUNDLED, run_paths

    names = [*(path.name for path in run_paths()), BUNDLED]
    return [name for name in names if name.startswith(incomplete) and name.isprintable()]


RunArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="RUN",
        help="A run folder, the name of a run in checkpoints/, bard, a model file (.safetensors), "
        "or hf:owner/name (Hugging Face Hub); default: the newest run, or bard if there is none.",
        show_default=False,
        autocompletion=complete_run_name,
        parser=parse_name,
    ),
]
CorpusOption = Annotated[
    str | None,
    text_option("--corpus", "Path of the text of the run, if it has moved."),
]
CheckpointOption = Annotated[
    str,
    typer.Option(
        "--checkpoint",
        help="Checkpoint to use: best, last or step-N.",
        metavar="NAME",
        parser=_parse_checkpoint,
    ),
]
DeviceOption = Annotated[
    DeviceName, typer.Option(help="Device to use; auto: cuda if available, else cpu.")
]
PageOption = Annotated[Path | None, page_option("Write an HTML page to this file (.html).")]
ImageOption = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        help="Write an image (.png, .svg), or a page with all results of a run (.html).",
        metavar="FILE",
        show_default=False,
        parser=make_file_parser(".png", ".svg", ".html"),
    ),
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print only errors and the result.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def config_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Replace each parameter of a command that is a config dataclass by one flag per field."""
    parameters: list[inspect.Parameter] = []
    configs: dict[str, Any] = {}
    for name, parameter in inspect.signature(command).parameters.items():
        if dataclasses.is_dataclass(parameter.annotation):
            configs[name] = parameter.annotation
            parameters += _make_flag_parameters(parameter.annotation)
        else:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))

    @functools.wraps(command)
    def run(**values: Any) -> None:
        for name, config in configs.items():
            fields = [field.name for field in dataclasses.fields(config)]
            create = as_usage_error(config)
            values[name] = create(**{field: values.pop(field) for field in fields})
        command(**values)

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def quiet_flag(command: Callable[..., None]) -> Callable[..., None]:
    """Add the flag --quiet to a command."""

    @functools.wraps(command)
    def run(*, quiet: bool = False, **values: Any) -> None:
        from charrnn.console.output import set_quiet

        set_quiet(quiet)
        command(**values)

    kind = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        parameter.replace(kind=kind) for parameter in inspect.signature(command).parameters.values()
    ]
    flag = inspect.Parameter("quiet", kind, default=False, annotation=QuietOption)
    run.__signature__ = inspect.Signature([*parameters, flag])  # type: ignore[attr-defined]
    run.__annotations__ = {**command.__annotations__, "quiet": QuietOption}
    return run


def _make_flag_parameters(config: Any) -> list[inspect.Parameter]:
    hints = typing.get_type_hints(config, include_extras=True)
    parameters = []
    for field in dataclasses.fields(config):
        field_type, *annotations = typing.get_args(hints[field.name])
        help_text = next(item for item in annotations if isinstance(item, str))
        parse = next(filter(callable, annotations), None)
        metavar = _METAVARS[parse] if parse else None
        number_type = next(
            (kind for kind in (int, float) if field_type in (kind, kind | None)), None
        )
        if parse is None and number_type:
            allowed = next(item for item in annotations if isinstance(item, Range))
            parse = functools.partial(_parse_number, field.name, number_type, allowed)
            metavar = _NUMBER_METAVARS[number_type]
        flag = field.name.replace("_", "-")
        is_switch = field_type in (bool, bool | None)
        names = [f"--{flag}/--no-{flag}" if is_switch else f"--{flag}"]
        if config is SampleConfig and field.name in _SHORT_FLAGS:
            names.append(_SHORT_FLAGS[field.name])
        option = typer.Option(
            *names,
            help=help_text,
            rich_help_panel=_choose_help_panel(config, field.name),
            show_default=_format_default(config, field, annotations),
            parser=_make_parser(parse) if parse else None,
            metavar=metavar,
        )
        parameters.append(
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=field.default,
                # Typer rejects some of the types that a parser returns.
                annotation=Annotated[float | None if parse else field_type, option],
            )
        )
    return parameters


def _format_default(
    config: Any, field: "dataclasses.Field[Any]", annotations: list[object]
) -> str | bool:
    if config is TrainConfig and FROM_TEXT in annotations:  # `resume` has only a Budget
        return "chosen from the text"
    if field.name == "max_time" and field.default is not None:
        return f"{field.default:g}s"
    return field.default is not None


def _choose_help_panel(config: Any, field_name: str) -> str:
    """Return the title of the group of flags in `--help` to which a field belongs."""
    if issubclass(config, Budget) and field_name in Budget.__dataclass_fields__:
        old = "default" if config is TrainConfig else "old ones"
        return f"Limits (the first one reached ends the run; they replace the {old})"
    return {
        ReadingConfig: "Text",
        TextConfig: "Text",
        ModelConfig: "Network",
        TrainConfig: "Training",
        SampleConfig: "Generation",
        BenchConfig: "Measurement",
    }[config]


def _parse_number(name: str, kind: type[int] | type[float], allowed: Range, text: str) -> float:
    """Turn a text into a number; raise `ConfigError` if it is none, or not in the range."""
    try:
        value: Any = kind(text)
    except ValueError:
        value = text
    check_value(name, value, kind, allowed)
    return float(value) if kind is float else value


def _make_parser(parse: Callable[[str], Any]) -> Callable[[Any], Any]:
    parse_text = as_usage_error(parse)

    def parse_value(value: Any) -> Any:
        return parse_text(value) if isinstance(value, str) else value  # a default is not a string

    return parse_value


def open_run(name: str | None) -> "Run":
    """Open the run named `name`; without a name, open the newest run and print its path."""
    from charrnn.console.output import print_message
    from charrnn.runs.find import BUNDLED, bundled_path, find_run

    run = find_run(name)
    if name is None and run.path == bundled_path():
        print_message(
            f"there is no run in this folder yet, so charrnn uses {BUNDLED}, the model that "
            "comes with it"
        )
    elif name is None:
        print_message(f"newest run: {run.path}")
    return run
