"""The texts that a trained model is held against: its own, or one from a file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from charrnn.data.corpus import Corpus
from charrnn.data.decoding import read_text
from charrnn.data.vocabulary import Codes, Vocabulary
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.layout import RunFolder
from charrnn.runs.progress import Progress


def first_corpus(run: RunFolder) -> Corpus:
    """Return the text that a run began with."""
    return Corpus.reopen(
        run.config.corpus, Vocabulary(run.config.vocabulary), config=run.config.text
    )


def own_corpus(checkpoint: Checkpoint, corpus: str | Path | None = None) -> Corpus:
    """Return the text that a run learns from now."""
    config = checkpoint.run.config
    record = Progress.from_checkpoint(checkpoint).corpus or config.corpus
    return Corpus.reopen(record, Vocabulary(config.vocabulary), corpus, config.text)


def own_text(checkpoint: Checkpoint, corpus: str | Path | None = None) -> tuple[Codes, Codes]:
    """Return the training part and the held-out part of the text that a run learns from now."""
    return own_corpus(checkpoint, corpus).split(checkpoint.run.config.training.val_fraction)


def read_codes(
    checkpoint: Checkpoint, path: str | Path, unknown: Literal["error", "skip"] = "error"
) -> Codes:
    """Return the text of a file, or of standard input (`-`), as a run's model reads it."""
    return Vocabulary(checkpoint.run.config.vocabulary).encode(read_text(path), unknown)


def texts_of(
    checkpoint: Checkpoint,
    texts: list[tuple[str, str]],
    corpus: str | None,
    unknown: Literal["error", "skip"],
) -> Iterator[tuple[str, Codes]]:
    """Return named texts as a run's model reads them, or its held-out text where there are none."""
    if not texts:
        yield "held out", own_text(checkpoint, corpus)[1]
    for name, text in texts:
        yield name, Vocabulary(checkpoint.run.config.vocabulary).encode(text, unknown)
