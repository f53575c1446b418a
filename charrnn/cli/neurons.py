"""`charrnn neurons`."""

from pathlib import Path
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
    open_run,
)
from charrnn.config.text import ReadingConfig

TextOption = Annotated[
    Path | None,
    typer.Option(
        help="Text to read, - for standard input; default: the text of the run.",
        metavar="FILE",
        show_default=False,
    ),
]
UnitsOption = Annotated[
    list[str] | None,
    typer.Option(
        help="Show the activity of this unit over the text, without a search; can be repeated.",
        metavar="LAYER:NUMBER",
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
        show_default=False,
    ),
]
FollowersOption = Annotated[
    int, typer.Option(min=1, max=8, help="Number of units that --force clamps for a feature.")
]
SampleLengthOption = Annotated[
    int | None,
    typer.Option(
        "--length",
        "-n",
        min=1,
        max=100_000,
        help="Characters to show or to generate; default: 480, in a page 1,500.",
        show_default=False,
    ),
]
TemperatureOption = Annotated[
    float, typer.Option("--temperature", "-t", min=0, help="Temperature of the texts of --force.")
]
SeedOption = Annotated[
    int, typer.Option("--seed", "-s", min=0, help="Seed of the texts of --force.")
]


@config_flags
def neurons(
    run: RunArgument = None,
    text: TextOption = None,
    unit: UnitsOption = None,
    force: ForceOption = None,
    followers: FollowersOption = 1,
    length: SampleLengthOption = None,
    temperature: TemperatureOption = 0.8,
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
    from charrnn.reports import clamping, units
    from charrnn.runs.text_reader import TextReader

    if force and (unit or out):
        raise typer.BadParameter(
            "--force generates text, so it cannot be combined with --unit or --out"
        )
    opened = open_run(run)
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
    report = units.report_units(study, unit, length or (1500 if out else 480))
    if out:
        units.write_page(study, report, out)
    elif as_json:
        print_json(units.to_json(study, report))
    else:
        units.print_unit_report(study, report)
