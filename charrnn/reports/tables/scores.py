"""Scores of texts under runs: as rows for JSON, and as a table."""

import math
from collections.abc import Iterator
from typing import Literal

from charrnn.analysis.scoring import score_codes
from charrnn.config.dynamic_evaluation import AdaptConfig
from charrnn.console.tables import print_table
from charrnn.model.loading import load_checkpoint
from charrnn.numerics.information import nats_to_bits
from charrnn.reports.tables.runs import Row
from charrnn.reports.texts import texts_of
from charrnn.runs.run import Run


def score_rows(
    run: Run,
    texts: list[tuple[str, str]],
    checkpoint: str,
    device: str,
    context: int | None,
    adapt: bool,
    corpus: str | None,
    unknown: Literal["error", "skip"],
) -> Iterator[Row]:
    """Score (name, text) pairs under a run, or the run's own held-out text where there are none."""
    chosen = run.select(checkpoint)
    model = load_checkpoint(chosen, device)
    for name, codes in texts_of(chosen, texts, corpus, unknown):
        result = score_codes(model, codes, context, AdaptConfig() if adapt else None)
        sure = math.isfinite(result.standard_error)
        yield {
            "run": str(run.path),
            "text": name,
            "nats_per_char": result.nats_per_char,
            "bits_per_char": result.bits_per_char,
            "standard_error": result.standard_error if sure else None,  # in nats
            "characters": result.characters,
            "context": context,
            "adapted": adapt,
        }


def ranked(rows: list[Row]) -> list[Row]:
    """Return the rows in the order of their losses, those of one text together."""
    several = len({row["run"] for row in rows}) > 1
    texts = list(dict.fromkeys(row["text"] for row in rows)) if several else []
    places = {text: place for place, text in enumerate(texts)}
    return sorted(rows, key=lambda row: (places.get(row["text"], 0), row["nats_per_char"]))


def print_scores(rows: list[Row], context: int | None, adapt: bool) -> None:
    """Print scores as a table."""
    how = f"windows of {context:,} characters" if context else "state carried"
    print_table(
        f"loss per character ({'adapted while reading' if adapt else how})",
        ("run", "text", "characters", "nats", "bits", "standard error"),
        [
            (
                row["run"],
                row["text"],
                f"{row['characters']:,}",
                f"{row['nats_per_char']:.4f}",
                f"{row['bits_per_char']:.4f}",
                _bits_of_error(row["standard_error"]),
            )
            for row in rows
        ],
    )


def _bits_of_error(nats_of_error: float | None) -> str:
    return "-" if nats_of_error is None else f"{nats_to_bits(nats_of_error):.4f} bits"
