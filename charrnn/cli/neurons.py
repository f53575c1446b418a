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
    open_run,
)

StudiedTextOption = Annotated[
    Path | None,
    typer.Option(
        help="Look at this text, - for standard input; left out: the run's own.",
        metavar="FILE",
        show_default=False,
    ),
]
UnitsOption = Annotated[
    list[str] | None,
    typer.Option(
        help="Draw this unit over the text, and look for none; may be given several times.",
        metavar="LAYER:NUMBER",
        show_default=False,
    ),
]
ForceOption = Annotated[
    list[str] | None,
    typer.Option(
        help="Hold a unit, or the one that follows a feature, on, off or at a number from -1 "
        "to 1 while the model writes: 'quote=on', 2:317=-0.5; may be given several times.",
        metavar="WHAT=HOW",
        show_default=False,
    ),
]
FollowersOption = Annotated[
    int, typer.Option(min=1, max=8, help="How many units of a feature --force holds.")
]
SampleLengthOption = Annotated[
    int | None,
    typer.Option(
        "--length",
        "-n",
        min=1,
        max=100_000,
        help="Characters drawn or written; left out: 480, in a page 1,500.",
        show_default=False,
    ),
]
TemperatureOption = Annotated[
    float, typer.Option("--temperature", "-t", min=0, help="Of the texts of --force.")
]
SeedOption = Annotated[int, typer.Option("--seed", "-s", min=0, help="Of the texts of --force.")]


def neurons(
    run: RunArgument = None,
    text: StudiedTextOption = None,
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
) -> None:
    """Show what single cells watch: found by the features they follow, or any one over a text."""
    from charrnn.console.output import print_json
    from charrnn.reports import clamping, units

    if force and (unit or out):
        raise typer.BadParameter("--force writes texts: give it without --unit and --out")
    opened = open_run(run)
    study = units.open_study(opened.select(checkpoint), text, corpus, device)
    if force:
        result = clamping.forced_texts(study, force, followers, length or 480, temperature, seed)
        if as_json:
            print_json(result.as_json())
        else:
            clamping.print_forced(result)
        return
    drawn = units.drawn(study, unit, length or (1500 if out else 480))
    if out:
        units.write_page(study, drawn, out)
    elif as_json:
        print_json(units.as_json(study, drawn))
    else:
        units.print_drawn(study, drawn)
