"""The command that draws: curves, how far back a model remembers, and a whole run on a page."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from charrnn.cli.app import app, open_run
from charrnn.cli.flags import CheckpointOption, CorpusOption, DeviceOption, PictureOption

if TYPE_CHECKING:
    from charrnn.analysis.memory import Memory
    from charrnn.reports.plots import Kind
    from charrnn.runs.run import Run


@app.command()
def plot(
    run: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN...",
            help="Run folders, or names under checkpoints/; left out: the newest run.",
            show_default=False,
        ),
    ] = None,
    x: Annotated[
        Literal["steps", "epochs", "characters", "time"],
        typer.Option("--x", "-x", help="What the curves run along."),
    ] = "steps",
    unit: Annotated[Literal["bits", "nats"], typer.Option(help="Of the losses.")] = "bits",
    memory: Annotated[
        bool, typer.Option("--memory", help="Draw how far back models remember instead.")
    ] = False,
    farthest: Annotated[
        int, typer.Option(min=10, max=10_000, help="Characters back that --memory looks.")
    ] = 200,
    text: Annotated[
        Path | None,
        typer.Option(
            help="Text for --memory; left out: each run's own held-out part.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    out: PictureOption = None,
    corpus: CorpusOption = None,
    checkpoint: CheckpointOption = "best",
    device: DeviceOption = "auto",
) -> None:
    """Draw the curves of runs, or how far back they remember; with -o as a picture or a page."""
    from charrnn.console.chart import print_curves
    from charrnn.reports.pages import write
    from charrnn.reports.plots import draw_curves, draw_memory
    from charrnn.runs.curves import curves
    from charrnn.runs.find import find_run

    runs = [find_run(name) for name in run] if run else [open_run(None)]
    kind = out.suffix.lower().removeprefix(".") if out else None
    if out and kind == "html":
        if len(runs) > 1 or memory:
            raise typer.BadParameter("a page shows one whole run, its memory included")
        from charrnn.reports import run_page

        chosen = runs[0].select(checkpoint)
        write(out, run_page.page_of(chosen, x, unit, farthest, corpus, device))
        return
    if memory:
        memories = _memories(runs, checkpoint, text, corpus, device, farthest)
        if out:
            write(out, draw_memory(memories, cast("Kind", kind)))
        else:
            from charrnn.reports.run_page import print_memory

            print_memory(memories)
        return
    drawn = curves(runs, x, unit)
    if out:
        write(out, draw_curves(drawn, cast("Kind", kind)))
    else:
        print_curves(drawn)


def _memories(
    runs: "list[Run]",
    checkpoint: str,
    text: Path | None,
    corpus: str | None,
    device: str,
    farthest: int,
) -> "dict[str, Memory]":
    from charrnn.analysis.memory import memory
    from charrnn.model.network import load_checkpoint
    from charrnn.reports.texts import own_text, read_codes

    found = {}
    for run in runs:
        chosen = run.select(checkpoint)
        codes = read_codes(chosen, text) if text else own_text(chosen, corpus)[1]
        cell = run.config.model.cell
        name = run.path.name if cell in run.path.name else f"{run.path.name} ({cell})"
        found[name] = memory(load_checkpoint(chosen, device), codes, farthest)
    return found
