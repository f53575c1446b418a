"""Export of a model to a file of any format."""

import contextlib
from pathlib import Path
from typing import cast, get_args

from charrnn.analysis.units import FeatureUnits
from charrnn.console.output import print_message
from charrnn.data import catalogue
from charrnn.errors import ConfigError, CorpusError
from charrnn.export.formats import ExportFormat
from charrnn.export.model_card import CARD_INTRODUCTION, render_model_card
from charrnn.export.onnx_graph import build_onnx_model
from charrnn.export.web_page import render_web_page
from charrnn.files import replace_file
from charrnn.model.loading import load_checkpoint
from charrnn.reports import units
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.find import bundled_path as bundled_model_path
from charrnn.runs.find import find_run
from charrnn.runs.model_file import make_model_file
from charrnn.runs.text_reader import TextReader


def export_model(
    run: str | None,
    path: str | Path,
    *,
    checkpoint: str = "best",
    offer_units: bool = True,
    lesson: bool = False,
    corpus: str | None = None,
) -> Path:
    """Write the model of a run to a file whose suffix is .html, .onnx or .safetensors.

    With a safetensors file, also write a card (.md). With `offer_units`, a web page offers the
    units that follow a feature of the run's text, which may have moved to `corpus`; with `lesson`,
    it also explains the network. Returns the path. Raises `CharrnnError`, and `OSError` if the file
    cannot be written.
    """
    file = Path(path)
    target = file.suffix.lower().removeprefix(".")
    if target not in get_args(ExportFormat):
        raise ConfigError(f"the name of the file must end in .html, .onnx or .safetensors: {file}")
    selected = find_run(run).select(checkpoint)
    write_model(
        selected,
        cast(ExportFormat, target),
        file,
        offer_units=offer_units,
        lesson=lesson,
        corpus=corpus,
    )
    return file


def write_model(
    checkpoint: Checkpoint,
    target: ExportFormat,
    path: Path,
    *,
    offer_units: bool,
    lesson: bool = False,
    corpus: str | None,
) -> None:
    """Write the model of a checkpoint to `path`; with a safetensors file, also write a card (.md).

    With `offer_units`, a web page offers the units that follow a feature of the run's text. This
    needs the text, which may have moved to `corpus`. With `lesson`, it also has a lesson.
    """
    if target == "html":
        feature_units = _find_feature_units(checkpoint, corpus) if offer_units else []
        replace_file(path, render_web_page(checkpoint, feature_units, with_lesson=lesson))
    elif target == "onnx":
        replace_file(path, build_onnx_model(load_checkpoint(checkpoint, "cpu")))
    else:
        card = render_model_card(checkpoint, path.name)
        _check_card(path.with_suffix(".md"))
        replace_file(path, make_model_file(checkpoint, card))
        replace_file(path.with_suffix(".md"), card)


def _check_card(path: Path) -> None:
    """Raise `ConfigError` if a file that is not a model card is at the path of the card."""
    if path.exists() and CARD_INTRODUCTION.encode() not in path.read_bytes():
        raise ConfigError(
            f"the model card would replace {path}, which is another file",
            "give another name with --out",
            f"rename {path}",
        )


def _find_feature_units(checkpoint: Checkpoint, corpus: str | None) -> list[FeatureUnits]:
    if checkpoint.run.config.model.cell != "lstm":
        return []
    reader = TextReader(checkpoint)
    try:
        return units.find_feature_units(units.open_study(checkpoint, reader, None, corpus, "cpu"))
    except CorpusError as error:
        is_bundled = checkpoint.run.path.resolve() == bundled_model_path().resolve()
        if is_bundled and corpus is None:  # the bundled text is a play, too
            with contextlib.suppress(CorpusError):
                text = catalogue.bundled_path()
                return units.find_feature_units(
                    units.open_study(checkpoint, reader, text, None, "cpu")
                )
        reason = error.explain({"--corpus"})
        print_message(f"the page offers no units to color by: {reason}")
        return []
