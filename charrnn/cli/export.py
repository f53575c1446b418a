"""`charrnn export`."""

from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from charrnn.cli.flags import CheckpointOption, CorpusOption, RunArgument, open_run
from charrnn.export.formats import Format


def export(
    run: RunArgument = None,
    to: Annotated[
        Format | None,
        typer.Option(
            "--to",
            help="A page that writes, an ONNX graph, or one file of weights with a card; left "
            "out: what --out ends in.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Left out: the run's name, in this folder.",
            show_default=False,
        ),
    ] = None,
    cells: Annotated[
        bool,
        typer.Option(
            "--cells/--no-cells",
            help="Look for cells to offer in the page, where the run's text is at hand.",
        ),
    ] = True,
    corpus: CorpusOption = None,
    checkpoint: CheckpointOption = "best",
) -> None:
    """Make a model to share: a page that writes by itself, or a file for other programs."""
    ending = out.suffix.lower().removeprefix(".") if out else ""
    target = to or ending
    if target not in get_args(Format):
        raise typer.BadParameter(
            "give --to, or --out FILE that ends in .html, .onnx or .safetensors"
        )
    if out and ending != target:
        raise typer.BadParameter(f"the name of the file ends in .{target}, not {out.name!r}")
    from charrnn.console.output import print_result
    from charrnn.export.targets import export_model

    chosen = open_run(run).select(checkpoint)
    path = out or Path(f"{chosen.run.path.resolve().name}.{target}")
    export_model(chosen, cast(Format, target), path, cells=cells, corpus=corpus)
    print_result(str(path))
