"""`charrnn plot`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from charrnn.cli.flags import (
    CheckpointOption,
    CorpusOption,
    DeviceOption,
    PictureOption,
    complete_run,
    open_run,
)

RunsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="RUN...",
        autocompletion=complete_run,
        help="Run folders, or names under checkpoints/; left out: the newest run.",
        show_default=False,
    ),
]
AxisOption = Annotated[
    Literal["steps", "epochs", "characters", "time"],
    typer.Option("--x", "-x", help="What the curves run along."),
]
LossUnitOption = Annotated[Literal["bits", "nats"], typer.Option(help="Of the losses.")]
MemoryOption = Annotated[
    bool, typer.Option("--memory", help="Draw how far back models remember instead.")
]
FarthestOption = Annotated[
    int, typer.Option(min=10, max=10_000, help="Characters back that --memory looks.")
]
MemoryTextOption = Annotated[
    Path | None,
    typer.Option(
        help="Text for --memory; left out: each run's own held-out part.",
        metavar="FILE",
        show_default=False,
    ),
]


def plot(
    run: RunsArgument = None,
    x: AxisOption = "steps",
    unit: LossUnitOption = "bits",
    memory: MemoryOption = False,
    farthest: FarthestOption = 200,
    text: MemoryTextOption = None,
    out: PictureOption = None,
    corpus: CorpusOption = None,
    checkpoint: CheckpointOption = "best",
    device: DeviceOption = "auto",
) -> None:
    """Draw the curves of runs, or how far back they remember; with -o as a picture or a page."""
    from charrnn.files import replace_file
    from charrnn.runs.find import find_run

    runs = [find_run(name) for name in run] if run else [open_run(None)]
    if out and out.suffix.lower() == ".html":
        if len(runs) > 1 or memory:
            raise typer.BadParameter("a page shows one whole run, its memory included")
        from charrnn.reports.run_page import page_of

        chosen = runs[0].select(checkpoint)
        replace_file(out, page_of(chosen, x, unit, farthest, corpus, device))
    elif memory:
        from charrnn.reports.memory import show_memory

        show_memory(runs, checkpoint, text, corpus, device, farthest, out)
    else:
        from charrnn.reports.curves import show_curves

        show_curves(runs, x, unit, out)
