"""The command that makes a model to share."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import typer

from charrnn.cli.app import app, open_run
from charrnn.cli.flags import CheckpointOption, CorpusOption, RunArgument

if TYPE_CHECKING:
    from charrnn.analysis.units import Found
    from charrnn.runs.run import Checkpoint

Target = Literal["html", "onnx", "safetensors"]


@app.command()
def export(
    run: RunArgument = None,
    to: Annotated[
        Target | None,
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
    from charrnn.console.output import print_result
    from charrnn.export.model_card import card, single_file
    from charrnn.export.web_page import web_page
    from charrnn.reports.pages import write

    ending = out.suffix.lower().removeprefix(".") if out else ""
    target = to or ending
    if target not in get_args(Target):
        raise typer.BadParameter(
            "give --to, or --out FILE that ends in .html, .onnx or .safetensors"
        )
    if out and ending != target:
        raise typer.BadParameter(f"the name of the file ends in .{target}, not {out.name!r}")
    chosen = open_run(run).select(checkpoint)
    path = out or Path(f"{chosen.run.path.resolve().name}.{target}")
    if target == "html":
        write(path, web_page(chosen, _cells(chosen, corpus) if cells else []))
    elif target == "onnx":
        from charrnn.export.onnx_graph import onnx_graph
        from charrnn.model.network import load_checkpoint

        write(path, onnx_graph(load_checkpoint(chosen, "cpu")))
    else:
        write(path, single_file(chosen, path.name))
        write(path.with_suffix(".md"), card(chosen, path.name))
    print_result(str(path))


def _cells(checkpoint: "Checkpoint", corpus: str | None) -> "list[Found]":
    from charrnn.console.output import messages, printable
    from charrnn.errors import CorpusError
    from charrnn.reports import units

    if checkpoint.run.config.model.cell != "lstm":
        return []
    try:
        return units.found(units.look_at(checkpoint, None, corpus, "cpu"))
    except CorpusError as error:
        messages().print(printable(f"no cells are offered in the page: {error}"))
        return []
