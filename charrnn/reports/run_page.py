"""The HTML page about a run."""

import base64
from collections.abc import Callable
from typing import Any

from charrnn.analysis.features import MEANINGS
from charrnn.analysis.memory import measure_memory
from charrnn.analysis.surprise import find_surprising_lines, predict_text
from charrnn.config.sampling import SampleConfig
from charrnn.console.output import print_message
from charrnn.console.run_facts import format_run_facts
from charrnn.console.text import format_loss, make_printable
from charrnn.data.corpus import Corpus
from charrnn.data.progress import ProgressCallback, Reading
from charrnn.errors import CorpusError
from charrnn.model.loading import load_checkpoint
from charrnn.model.network import CharRNN
from charrnn.numerics.information import nats_to_bits
from charrnn.reports import pages, units
from charrnn.reports.memory import REACH_THRESHOLDS
from charrnn.reports.plots import draw_curves, draw_memory
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.curves import Axis, LossUnit, read_curves
from charrnn.runs.metrics import read_rows
from charrnn.runs.progress import Progress
from charrnn.runs.text_reader import TextReader
from charrnn.sampling.engines.selection import engine_for
from charrnn.sampling.loop import generate_scored
from charrnn.sampling.novelty import measure_novelty

_TEMPERATURES = (0.5, 0.8, 1.0, 1.2)
_SAMPLE_LENGTH = 500  # characters at each temperature
_MAX_PREVIEWS = 6
_NUM_PARTS = 4  # with progress: samples, surprising lines, units, memory
_SEARCHED_CHARACTERS = 50_000  # of the held-out text, for surprising lines
_NUM_WINDOWS, _WINDOW_LENGTH = 3, 700


def _explain_missing(error: CorpusError) -> str:
    return error.explain({"--corpus", "--encoding", "--newline"})


def render_run_page(
    checkpoint: Checkpoint,
    reader: TextReader,
    axis: Axis,
    unit: LossUnit,
    farthest: int,
    corpus: str | None,
    device: str,
    progress: ProgressCallback,
    explain: Callable[[CorpusError], str] = _explain_missing,
) -> str:
    """Return the page of a run; parts that need its text are left out if it cannot be found.

    `explain` returns the sentence that says why, for the page.
    """
    run, model = checkpoint.run, load_checkpoint(checkpoint, device)
    loss_curves = read_curves([run], axis, unit)
    missing_reason = ""
    try:
        text = reader.reopen(corpus)
        reader.check_held_out()
    except CorpusError as error:
        text, missing_reason = None, explain(error)
        reason = _explain_missing(error)
        print_message(f"the page has no parts that need the text of the run: {reason}")
    return pages.render_page(
        "run.html",
        title=f"charrnn: {make_printable(run.name)}",
        name=make_printable(run.name),
        facts=[(name, make_printable(value)) for name, value in _list_facts(checkpoint)],
        curves=_encode_image_url(draw_curves(loss_curves, "svg")) if loss_curves.series else None,
        has_held_out=any(line.kind == "held out" for line in loss_curves.series),
        has_baseline=bool(loss_curves.baselines),
        previews=_select_previews(checkpoint),
        samples=_sample_temperatures(model, text, _number_part(progress, 1)),
        missing_reason=make_printable(missing_reason),
        **(_make_text_sections(checkpoint, model, text, farthest, progress) if text else {}),
    )


def _list_facts(checkpoint: Checkpoint) -> list[tuple[str, str]]:
    """Return the names and values of the table about the run."""
    config, reached = checkpoint.run.config, Progress.from_checkpoint(checkpoint)
    loss = "not evaluated"
    if reached.val_loss is not None:
        loss = f"{format_loss(reached.val_loss)} per held-out character (lower is better)"
    return [
        *format_run_facts(
            reached.current_config(config), reached.budget, eval_every=reached.eval_every
        ),
        ("checkpoint", f"step {checkpoint.step:,}, epoch {reached.epoch:z.2f}"),
        ("held-out loss", loss),
        ("parameters", f"{config.model.count_parameters(len(config.vocabulary)):,}"),
        ("SHA-256 of the text", (reached.corpus or config.corpus).sha256),
    ]


def _select_previews(checkpoint: Checkpoint) -> list[dict[str, Any]]:
    rows = [row for row in read_rows(checkpoint.run.metrics_path) if row.get("preview")]
    if len(rows) > _MAX_PREVIEWS:
        # Early previews differ most, so they are spaced evenly by the logarithm of the step.
        last = _MAX_PREVIEWS - 1
        indices = {round(len(rows) ** (n / last)) - 1 for n in range(_MAX_PREVIEWS)}
        rows = [rows[index] for index in sorted(indices)]
    return [
        {
            "step": f"{row['step']:,}",
            "loss": None if row["val_loss"] is None else f"{nats_to_bits(row['val_loss']):z.3f}",
            "text": make_printable(row["preview"].strip("\n")),
        }
        for row in rows
    ]


def _number_part(progress: ProgressCallback, number: int) -> ProgressCallback:
    """Return a callback that adds the number of a part of the page to each task."""

    def report(reading: Reading) -> None:
        progress(reading._replace(task=f"part {number} of {_NUM_PARTS}: {reading.task}"))

    return report


def _sample_temperatures(
    model: CharRNN, text: Corpus | None, progress: ProgressCallback
) -> list[dict[str, Any]]:
    engine = engine_for(model)
    samples: list[dict[str, Any]] = []
    for temperature in _TEMPERATURES:
        progress(Reading("generating samples", len(samples), len(_TEMPERATURES)))
        config = SampleConfig(temperature=temperature, length=_SAMPLE_LENGTH, seed=1)
        (sample,) = generate_scored(engine, "", config)
        is_cut = model.separator_code is None or len(sample.text) >= _SAMPLE_LENGTH
        num_drawn = len(sample.text) + (not is_cut)  # the end of a document is drawn too
        bits = nats_to_bits(-sample.log_probability) / num_drawn
        copied = measure_novelty(sample.text, text).longest if text else None
        samples.append(
            {
                "temperature": temperature,
                "bits": f"{bits:z.2f}",
                "copied": "" if copied is None else f"{copied}",
                "text": make_printable(sample.text.strip("\n")),
            }
        )
    return samples


def _make_text_sections(
    checkpoint: Checkpoint,
    model: CharRNN,
    text: Corpus,
    farthest: int,
    progress: ProgressCallback,
) -> dict[str, Any]:
    """Return the sections of the page that are measured on the text of the run."""
    training_codes, held_out_codes = text.split(checkpoint.run.config.training.val_fraction)
    study = units.study_run(checkpoint, model, training_codes, held_out_codes)

    def find_lines() -> Any:
        codes = held_out_codes[:_SEARCHED_CHARACTERS]
        searched_text = model.vocabulary.decode(codes)
        predictions = predict_text(model, codes, progress=_number_part(progress, 2))
        lines = find_surprising_lines(searched_text, predictions.nats_N)
        return [line._replace(text=make_printable(line.text)) for line in lines]

    def find_units() -> Any:
        report = units.report_units(study, None, _WINDOW_LENGTH, _number_part(progress, 3))
        return {
            "feature_units": report.feature_units,
            "windows": [
                (window.title, pages.color_by_activity(window.text, window.activity_N.tolist()))
                for window in report.select_best_windows(_NUM_WINDOWS)
            ],
        }

    def summarize_memory() -> Any:
        result = measure_memory(model, held_out_codes, farthest, _number_part(progress, 4))
        return {
            "image": _encode_image_url(draw_memory({checkpoint.run.name: result}, "svg")),
            "reaches": [
                (f"{threshold:g}", f"{result.reach(threshold):,}") for threshold in REACH_THRESHOLDS
            ],
        }

    return {
        "meanings": MEANINGS,
        "lines": _unless_too_short(find_lines),
        "units": _unless_too_short(find_units),
        "memory": _unless_too_short(summarize_memory),
    }


def _unless_too_short(make_section: Callable[[], Any]) -> dict[str, Any]:
    """Return the content of a section, or the reason why the text is too short for it."""
    try:
        return {"content": make_section(), "missing_reason": None}
    except CorpusError as error:
        return {"content": None, "missing_reason": str(error)}


def _encode_image_url(svg: bytes) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode()
