"""The result of `score` as rows for JSON and as a table."""

import math
from typing import Any

from charrnn.analysis.scoring import Score, score_codes
from charrnn.config.counts import format_count
from charrnn.config.dynamic_evaluation import AdaptConfig
from charrnn.config.text import ReadingConfig
from charrnn.console.tables import print_table
from charrnn.data.byte_source import ByteSource
from charrnn.model.loading import load_checkpoint
from charrnn.numerics.information import nats_to_bits
from charrnn.runs.run import Run
from charrnn.runs.text_reader import TextReader, Unknown

Row = dict[str, Any]


def score_texts(
    runs: list[Run],
    reading: ReadingConfig,
    texts: list[tuple[str, ByteSource]],
    checkpoint: str,
    device: str,
    context: int | None,
    adapt: bool,
    corpus: str | None,
    unknown: Unknown,
) -> list[Row]:
    """Score (name, text) pairs with the models of runs; without texts, the held-out text of each.

    The rows are sorted by loss; with several runs, those of one text stay together.
    """
    rows: list[Row] = []
    for run in runs:
        selected = run.select(checkpoint)
        model = load_checkpoint(selected, device)
        reader = TextReader(selected, reading)
        for name, codes in reader.encode_texts(texts, corpus, unknown):
            result = score_codes(model, codes, context, AdaptConfig() if adapt else None)
            rows.append(_make_row(run, name, result, context, adapt))
    has_several_runs = len({row["run"] for row in rows}) > 1
    names = list(dict.fromkeys(row["text"] for row in rows)) if has_several_runs else []
    text_order = {name: index for index, name in enumerate(names)}
    return sorted(rows, key=lambda row: (text_order.get(row["text"], 0), row["nats_per_char"]))


def _make_row(run: Run, text: str, result: Score, context: int | None, adapt: bool) -> Row:
    is_known = math.isfinite(result.standard_error)
    return {
        "run": str(run.path),
        "text": text,
        "nats_per_char": result.nats_per_char,
        "bits_per_char": result.bits_per_char,
        "standard_error": result.standard_error if is_known else None,  # in nats
        "characters": result.characters,
        "documents": result.documents,
        "nats_per_document": result.nats_per_document,
        "context": context,
        "adapted": adapt,
    }


def print_scores(rows: list[Row], context: int | None, adapt: bool) -> None:
    """Print scores as a table."""
    method = "the text is read once"
    if context:
        method = f"windows of {format_count(context, 'character')}"
    elif all(row["documents"] for row in rows):
        method = "each document is read from its start"
    print_table(
        f"loss per character, lower is better ({'adapted while reading' if adapt else method})",
        ("run", "text", "characters", "nats", "bits", "standard error"),
        [
            (
                row["run"],
                row["text"],
                f"{row['characters']:,}",
                f"{row['nats_per_char']:z.4f}",
                f"{row['bits_per_char']:z.4f}",
                _format_error(row["standard_error"]),
            )
            for row in rows
        ],
    )


def _format_error(nats: float | None) -> str:
    return "- (text too short)" if nats is None else f"{nats_to_bits(nats):z.4f} bits"
