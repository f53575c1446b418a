"""The report of `score --per-char`: the loss of each character, and the most surprising lines."""

import dataclasses
from pathlib import Path
from typing import Any

from charrnn.analysis.surprise import (
    Predictions,
    SurprisingLine,
    find_surprising_lines,
    predict_text,
)
from charrnn.config.counts import format_count
from charrnn.config.text import ReadingConfig
from charrnn.console.heat_map import BITS_PER_SHADE, print_surprise
from charrnn.console.output import stdout_console
from charrnn.console.tables import print_facts, print_table
from charrnn.console.text import make_printable
from charrnn.data.byte_source import ByteSource
from charrnn.files import replace_file
from charrnn.model.loading import load_checkpoint
from charrnn.numerics.information import nats_to_bits
from charrnn.reports import pages
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.text_reader import TextReader, Unknown


@dataclasses.dataclass(frozen=True)
class SurpriseReport:
    """The loss of each character of a text under the model of a checkpoint."""

    checkpoint: Checkpoint
    name: str
    text: str
    vocabulary: tuple[str, ...]
    predictions: Predictions
    lines: list[SurprisingLine]

    @property
    def nats_per_char(self) -> float:
        """The mean loss in nats per character."""
        return self.predictions.nats_per_char

    def to_json(self) -> dict[str, Any]:
        """Return the report as a value for JSON."""
        return {
            "run": str(self.checkpoint.run.path),
            "step": self.checkpoint.step,
            "text": self.name,
            "nats_per_char": self.nats_per_char,
            "bits_per_char": nats_to_bits(self.nats_per_char),
            "characters": int(self.predictions.is_predicted_N.sum()),
            "nats": [round(float(loss), 5) for loss in self.predictions.nats_N],
            "surprising_lines": [line._asdict() for line in self.lines],
        }

    def list_bits(self, length: int) -> list[float | None]:
        """Return the loss in bits of the first `length` characters; the very first has None."""
        return [None, *nats_to_bits(self.predictions.nats_N[: length - 1]).tolist()]


def measure_surprise(
    checkpoint: Checkpoint,
    reading: ReadingConfig,
    texts: list[tuple[str, ByteSource]],
    device: str,
    corpus: str | None,
    unknown: Unknown,
) -> SurpriseReport:
    """Measure the loss of each character of a (name, text) pair, or of the run's held-out text."""
    model = load_checkpoint(checkpoint, device)
    reader = TextReader(checkpoint, reading)
    name, codes = next(reader.encode_texts(texts, corpus, unknown))
    text = model.vocabulary.decode(codes)
    predictions = predict_text(model, codes)
    lines = find_surprising_lines(text, predictions.nats_N)
    return SurpriseReport(checkpoint, name, text, model.vocabulary.characters, predictions, lines)


def print_surprise_report(report: SurpriseReport, length: int) -> None:
    """Print the first `length` characters as a heat map, and the most surprising lines."""
    print_surprise(report.text[:length], [bits or 0.0 for bits in report.list_bits(length)])
    stdout_console().print()
    print_table(
        "the most surprising lines (bits per character; count: how often the line occurs)",
        ("line", "bits", "count", "text"),
        [
            (f"{line.number:,}", f"{line.bits_per_char:z.2f}", f"{line.times:,}", line.text)
            for line in report.lines
        ],
    )
    stdout_console().print()
    shown = f"the first {length:,} of " if length < len(report.text) else ""
    bits = nats_to_bits(report.nats_per_char)
    print_facts(
        [
            ("text", f"{report.name}, {shown}{format_count(len(report.text), 'character')}"),
            ("loss", f"{bits:z.4f} bits per character, over the whole text (lower is better)"),
            (
                "shades",
                f"one per {BITS_PER_SHADE} bits: the darker, the less the model expected "
                "the character",
            ),
        ]
    )


def write_page(report: SurpriseReport, length: int, path: Path) -> None:
    """Write an HTML page with the first `length` characters and what the model expected there."""
    text, bits = report.text[:length], report.list_bits(length)
    predictions = report.predictions
    expectations_N = zip(
        predictions.codes_NK[: length - 1].tolist(),
        predictions.probabilities_NK[: length - 1].tolist(),
        strict=True,
    )
    replace_file(
        path,
        pages.render_page(
            "surprise.html",
            title="How surprising is this text?",
            scripts=("surprise.js",),
            text_name=make_printable(report.name),
            run=make_printable(report.checkpoint.run.name),
            step=report.checkpoint.step,
            nats=report.nats_per_char,
            bits=nats_to_bits(report.nats_per_char),
            characters=len(report.text),
            shown=len(text),
            colored_text=pages.color_by_surprise(text, [value or 0.0 for value in bits]),
            lines=[line._replace(text=make_printable(line.text)) for line in report.lines],
            data={
                "vocabulary": report.vocabulary,
                "bits": [None if value is None else round(value, 2) for value in bits],
                "expected": [
                    [],
                    *(
                        [
                            number
                            for code, p in zip(codes, probabilities, strict=True)
                            for number in (code, round(1000 * p))
                        ]
                        for codes, probabilities in expectations_N
                    ),
                ],
            },
        ),
    )
