"""The files that a model is exported to."""

from pathlib import Path

from charrnn.analysis.units import Found
from charrnn.console.output import stderr_console
from charrnn.console.text import make_printable
from charrnn.errors import CorpusError
from charrnn.export.formats import Format
from charrnn.export.model_card import card
from charrnn.export.onnx_graph import onnx_graph
from charrnn.export.web_page import web_page
from charrnn.files import replace_file
from charrnn.model.loading import load_checkpoint
from charrnn.reports import units
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.model_file import model_file


def export_model(
    checkpoint: Checkpoint, target: Format, path: Path, *, cells: bool, corpus: str | None
) -> None:
    """Write a checkpoint's model to `path`; a safetensors file gets a card (.md) beside it.

    With `cells`, a page offers the units that follow a feature of the run's text, which may be at
    `corpus`.
    """
    if target == "html":
        found = _found_units(checkpoint, corpus) if cells else []
        replace_file(path, web_page(checkpoint, found))
    elif target == "onnx":
        replace_file(path, onnx_graph(load_checkpoint(checkpoint, "cpu")))
    else:
        text = card(checkpoint, path.name)
        replace_file(path, model_file(checkpoint, text))
        replace_file(path.with_suffix(".md"), text)


def _found_units(checkpoint: Checkpoint, corpus: str | None) -> list[Found]:
    if checkpoint.run.config.model.cell != "lstm":
        return []
    try:
        return units.found(units.open_study(checkpoint, None, corpus, "cpu"))
    except CorpusError as error:
        stderr_console().print(make_printable(f"no cells are offered in the page: {error}"))
        return []
