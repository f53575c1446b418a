"""What `score --per-char` tells: a text coloured by surprise, and its most surprising lines."""

import dataclasses
from pathlib import Path
from typing import Any, Literal

from charrnn.analysis.surprise import Expectations, SurprisingLine, expectations, surprising_lines
from charrnn.console.heat_map import BITS_PER_SHADE, print_surprise
from charrnn.console.output import stdout_console
from charrnn.console.tables import print_facts, print_table
from charrnn.console.text import make_printable
from charrnn.files import replace_file
from charrnn.model.loading import load_checkpoint
from charrnn.numerics.information import nats_to_bits
from charrnn.reports import pages
from charrnn.reports.texts import texts_of
from charrnn.runs.checkpoint import Checkpoint


@dataclasses.dataclass(frozen=True)
class Surprises:
    """A text as a checkpoint's model reads it."""

    checkpoint: Checkpoint
    name: str
    text: str
    vocabulary: tuple[str, ...]
    expected: Expectations
    lines: list[SurprisingLine]

    @property
    def nats_per_char(self) -> float:
        """The mean loss."""
        return float(self.expected.nats_N.mean(dtype="float64"))

    def as_json(self) -> dict[str, Any]:
        """Return it for other programs."""
        return {
            "run": str(self.checkpoint.run.path),
            "step": self.checkpoint.step,
            "text": self.name,
            "nats_per_char": self.nats_per_char,
            "bits_per_char": nats_to_bits(self.nats_per_char),
            "characters": len(self.expected.nats_N),
            "nats": [round(float(each), 5) for each in self.expected.nats_N],
            "surprising_lines": [each._asdict() for each in self.lines],
        }

    def bits(self, length: int) -> list[float | None]:
        """Return the surprise of each of the first characters; the very first has none."""
        return [None, *nats_to_bits(self.expected.nats_N[: length - 1]).tolist()]


def surprises(
    checkpoint: Checkpoint,
    texts: list[tuple[str, str]],
    device: str,
    corpus: str | None,
    unknown: Literal["error", "skip"],
) -> Surprises:
    """Let a checkpoint's model read a named text, or its own held-out one where there is none."""
    model = load_checkpoint(checkpoint, device)
    name, codes = next(iter(texts_of(checkpoint, texts, corpus, unknown)))
    text = model.vocabulary.decode(codes)
    expected = expectations(model, codes)
    lines = surprising_lines(text, expected.nats_N)
    return Surprises(checkpoint, name, text, model.vocabulary.characters, expected, lines)


def print_surprises(found: Surprises, length: int) -> None:
    """Print the beginning of the text by surprise, and the lines foretold worst."""
    print_surprise(found.text[:length], [each or 0.0 for each in found.bits(length)])
    stdout_console().print()
    print_table(
        "the most surprising lines",
        ("line", "bits", "times", "text"),
        [
            (f"{each.number:,}", f"{each.bits_per_char:.2f}", f"{each.times:,}", each.text)
            for each in found.lines
        ],
    )
    stdout_console().print()
    shown = f"the first {length:,} of " if length < len(found.text) else ""
    bits = nats_to_bits(found.nats_per_char)
    print_facts(
        [
            ("text", f"{found.name}, {shown}{len(found.text):,} characters"),
            ("loss", f"{bits:.4f} bits a character over all of them"),
            ("shades", f"one for every {BITS_PER_SHADE} bits, the last from 10 bits on"),
        ]
    )


def write_page(found: Surprises, length: int, path: Path) -> None:
    """Write the beginning of the text as a page that tells what was expected."""
    text, bits = found.text[:length], found.bits(length)
    expected = found.expected
    shown = zip(
        expected.codes_NK[: length - 1].tolist(),
        expected.probabilities_NK[: length - 1].tolist(),
        strict=True,
    )
    replace_file(
        path,
        pages.page(
            "surprise.html",
            title="How surprising is this text?",
            script="surprise.js",
            text_name=make_printable(found.name),
            run=make_printable(found.checkpoint.run.path.name),
            step=found.checkpoint.step,
            nats=found.nats_per_char,
            bits=nats_to_bits(found.nats_per_char),
            characters=len(found.text),
            shown=len(text),
            coloured=pages.by_surprise(text, [each or 0.0 for each in bits]),
            lines=[each._replace(text=make_printable(each.text)) for each in found.lines],
            data={
                "vocabulary": found.vocabulary,
                "bits": [None if each is None else round(each, 2) for each in bits],
                "expected": [
                    [],
                    *(
                        [
                            number
                            for code, p in zip(codes, probabilities, strict=True)
                            for number in (code, round(1000 * p))
                        ]
                        for codes, probabilities in shown
                    ),
                ],
            },
        ),
    )
