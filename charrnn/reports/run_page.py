"""The page about a whole run."""

import base64
from collections.abc import Callable
from typing import Any

from charrnn.analysis.features import MEANINGS
from charrnn.analysis.memory import memory
from charrnn.analysis.surprise import expectations, surprising_lines
from charrnn.config.sampling import SampleConfig
from charrnn.console.output import stderr_console
from charrnn.console.run_facts import format_run_facts
from charrnn.console.text import format_loss, make_printable
from charrnn.data.corpus import Corpus
from charrnn.errors import CorpusError
from charrnn.model.loading import load_checkpoint
from charrnn.model.network import CharRNN
from charrnn.numerics.information import nats_to_bits
from charrnn.reports import pages, units
from charrnn.reports.memory import REACHES
from charrnn.reports.plots import draw_curves, draw_memory
from charrnn.reports.texts import own_corpus
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.curves import Axis, LossUnit, curves
from charrnn.runs.metrics import read_rows
from charrnn.runs.progress import Progress
from charrnn.sampling.engines.selection import writer_for
from charrnn.sampling.loop import judged
from charrnn.sampling.novelty import novelty

_TEMPERATURES = (0.5, 0.8, 1.0, 1.2)
_WRITTEN = 500  # characters at each temperature
_PREVIEWS = 6
_MOST_READ = 50_000  # characters of the held-out text that surprising lines are looked for in
_DRAWN, _DRAWN_CHARACTERS = 3, 700


def page_of(
    checkpoint: Checkpoint,
    axis: Axis,
    unit: LossUnit,
    farthest: int,
    corpus: str | None,
    device: str,
) -> str:
    """Return the page that tells all of a run; what needs its text says so where there is none."""
    stderr_console().print("reading, writing and drawing: this takes a minute or two")
    run, model = checkpoint.run, load_checkpoint(checkpoint, device)
    progress = Progress.of(checkpoint)
    drawn = curves([run], axis, unit)
    missing = ""
    try:
        text = own_corpus(checkpoint, corpus)
    except CorpusError as error:
        text, missing = None, str(error)
    best = "not evaluated"
    if progress.val_loss is not None:
        best = f"{format_loss(progress.val_loss)}, held out"
    facts = [
        *format_run_facts(run.config, progress.budget),
        ("checkpoint", f"step {checkpoint.step:,}, epoch {progress.epoch:.2f}"),
        ("loss", best),
        ("parameters", f"{run.config.model.parameters(len(run.config.vocabulary)):,}"),
        ("SHA-256 of the text", (progress.corpus or run.config.corpus).sha256),
    ]
    return pages.page(
        "run.html",
        title=f"charrnn: {make_printable(run.path.name)}",
        name=make_printable(run.path.name),
        facts=[(name, make_printable(value)) for name, value in facts],
        curves=_image(draw_curves(drawn, "svg")) if drawn.series else None,
        previews=_previews(checkpoint),
        temperatures=_temperatures(model, text),
        missing=make_printable(missing),
        **(_from_text(checkpoint, model, text, farthest) if text else {}),
    )


def _previews(checkpoint: Checkpoint) -> list[dict[str, Any]]:
    rows = [row for row in read_rows(checkpoint.run.metrics_path) if row.get("preview")]
    if len(rows) > _PREVIEWS:  # early ones differ most: evenly spaced by the logarithm of the step
        places = {round(len(rows) ** (place / (_PREVIEWS - 1))) - 1 for place in range(_PREVIEWS)}
        rows = [rows[place] for place in sorted(places)]
    return [
        {
            "step": f"{row['step']:,}",
            "loss": f"{nats_to_bits(row['val_loss']):.3f}",
            "text": make_printable(row["preview"].strip("\n")),
        }
        for row in rows
    ]


def _temperatures(model: CharRNN, text: Corpus | None) -> list[dict[str, Any]]:
    writer, found = writer_for(model), []
    for temperature in _TEMPERATURES:
        config = SampleConfig(temperature=temperature, length=_WRITTEN, seed=1)
        (written,) = judged(writer, "", config)
        bits = nats_to_bits(-written.log_probability) / len(written.text)
        copied = novelty(written.text, text).longest if text else None
        found.append(
            {
                "temperature": temperature,
                "bits": f"{bits:.2f}",
                "copied": "" if copied is None else f"{copied}",
                "text": make_printable(written.text.strip("\n")),
            }
        )
    return found


def _from_text(
    checkpoint: Checkpoint, model: CharRNN, text: Corpus, farthest: int
) -> dict[str, Any]:
    """Return what is found by reading the run's own text; None where it is too short."""
    learnt, held_out = text.split(checkpoint.run.config.training.val_fraction)
    study = units.study_of_run(checkpoint, model, learnt, held_out)

    def lines() -> Any:
        codes = held_out[:_MOST_READ]
        shown = model.vocabulary.decode(codes)
        found = surprising_lines(shown, expectations(model, codes).nats_N)
        return [each._replace(text=make_printable(each.text)) for each in found]

    def cells() -> Any:
        drawn = units.drawn(study, None, _DRAWN_CHARACTERS)
        return {
            "found": drawn.found,
            "drawings": [
                (each.title, pages.by_activity(each.text, each.activity_N.tolist()))
                for each in drawn.best(_DRAWN)
            ],
        }

    def remembered() -> Any:
        found = memory(model, held_out, farthest)
        return {
            "image": _image(draw_memory({checkpoint.run.path.name: found}, "svg")),
            "reaches": [(f"{each:g}", f"{found.reach(each):,}") for each in REACHES],
        }

    return {
        "meanings": MEANINGS,
        "lines": _unless_too_short(lines),
        "cells": _unless_too_short(cells),
        "memory": _unless_too_short(remembered),
    }


def _unless_too_short(look: Callable[[], Any]) -> dict[str, Any]:
    try:
        return {"found": look(), "why_not": None}
    except CorpusError as error:
        return {"found": None, "why_not": str(error)}


def _image(svg: bytes) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode()
