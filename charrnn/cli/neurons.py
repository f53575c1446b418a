"""`charrnn neurons`."""

from typing import Annotated

import typer

from charrnn.cli.flags import (
    CheckpointOption,
    CorpusOption,
    DeviceOption,
    JsonOption,
    PageOption,
    RunArgument,
    config_flags,
    number_option,
    open_run,
)
from charrnn.cli.paths import check_output, text_option
from charrnn.cli.usage import UsageError, as_usage_error, refuse_options
from charrnn.config.checks import MAX_SEED, Range
from charrnn.config.sampling import DEFAULT_TEMPERATURE
from charrnn.config.text import ReadingConfig


@as_usage_error
def _check_unit(text: str) -> str:
    from charrnn.analysis.units import Unit

    return str(Unit.parse(text))


@as_usage_error
def _check_assignment(text: str) -> str:
    from charrnn.reports.clamping import parse_assignment

    parse_assignment(text)
    return text


TextOption = Annotated[
    str | None,
    text_option("--text", "Text to read, - for standard input; default: the text of the run."),
]
UnitsOption = Annotated[
    list[str] | None,
    typer.Option(
        help="Show the activity of this unit over the text, without a search; can be repeated.",
        metavar="LAYER:NUMBER",
        parser=_check_unit,
        show_default=False,
    ),
]
ForceOption = Annotated[
    list[str] | None,
    typer.Option(
        help="Hold a unit, or the unit that follows a feature best, at a value (clamp it) while "
        "the model generates text: on, off or a number from -1 to 1, as in 2:317=-0.5 or quote=on; "
        "can be repeated.",
        metavar="UNIT=ACTIVITY",
        parser=_check_assignment,
        show_default=False,
    ),
]
FollowersOption = Annotated[
    int,
    number_option(
        int,
        Range(1, 8),
        "--followers",
        help_text="Number of units that --force clamps for a feature.",
    ),
]
SampleLengthOption = Annotated[
    int | None,
    number_option(
        int,
        Range(1, 100_000),
        "--length",
        "-n",
        help_text="Characters to show or to generate; default: 480, in a page 1,500.",
    ),
]
TemperatureOption = Annotated[
    float,
    number_option(
        float,
        Range(0, 100),
        "--temperature",
        "-t",
        help_text="Temperature of the texts of --force.",
    ),
]
SeedOption = Annotated[
    int,
    number_option(
        int, Range(0, MAX_SEED), "--seed", "-s", help_text="Seed of the texts of --force."
    ),
]


@config_flags
def neurons(
    context: typer.Context,
    run: RunArgument = None,
    text: TextOption = None,
    unit: UnitsOption = None,
    force: ForceOption = None,
    followers: FollowersOption = 1,
    length: SampleLengthOption = None,
    temperature: TemperatureOption = DEFAULT_TEMPERATURE,
    seed: SeedOption = 1,
    out: PageOption = None,
    corpus: CorpusOption = None,
    checkpoint: CheckpointOption = "best",
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    reading: ReadingConfig = ReadingConfig(),  # noqa: B008
) -> None:
    """Find units that follow a feature of the text, show their activity, or clamp (hold) them."""
    from charrnn.console.output import print_json, print_warning
    from charrnn.console.progress_line import show_progress
    from charrnn.reports import clamping, units
    from charrnn.runs.text_reader import TextReader

    _check_usage(context, bool(force), bool(unit), out is not None, text is not None)
    opened = open_run(run)
    check_output(out, [text, corpus], [opened])
    selected = opened.select(checkpoint)
    study = units.open_study(selected, TextReader(selected, reading), text, corpus, device)
    if force:
        result = clamping.compare_clamped(study, force, followers, length or 480, temperature, seed)
        for warning in result.warnings:
            print_warning(warning)
        if as_json:
            print_json(result.to_json())
        else:
            clamping.print_clamping(result)
        return
    with show_progress() as progress:
        report = units.report_units(study, unit, length or (1500 if out else 480), progress)
    if out:
        units.write_page(study, report, out)
    elif as_json:
        print_json(units.to_json(study, report))
    else:
        units.print_unit_report(study, report)


def _check_usage(
    context: typer.Context, force: bool, has_unit: bool, has_out: bool, has_text: bool
) -> None:
    if force and (has_unit or has_out):
        raise UsageError("--force generates text, so it cannot be combined with --unit or --out")
    if not force:
        refuse_options(context, ("followers", "temperature", "seed"), "without --force")
    if has_out:
        refuse_options(context, ["as_json"], "with --out")
    if has_text:
        refuse_options(context, ["corpus"], "with --text")
