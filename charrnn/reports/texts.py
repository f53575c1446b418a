"""The texts on which a trained model is evaluated: the text of its run, or a file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from charrnn.data.corpus import Corpus
from charrnn.data.decoding import read_text
from charrnn.data.vocabulary import Codes, Vocabulary
from charrnn.errors import VocabularyError
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.layout import RunFolder
from charrnn.runs.progress import Progress


def open_first_corpus(run: RunFolder) -> Corpus:
    """Open the text with which a run started."""
    return Corpus.reopen(
        run.config.corpus, Vocabulary(run.config.vocabulary), config=run.config.text
    )


def open_run_corpus(checkpoint: Checkpoint, corpus: str | Path | None = None) -> Corpus:
    """Open the current text of a run, from `corpus` if its recorded path is no longer valid."""
    config = checkpoint.run.config
    record = Progress.from_checkpoint(checkpoint).corpus or config.corpus
    return Corpus.reopen(record, Vocabulary(config.vocabulary), corpus, config.text)


def split_run_corpus(
    checkpoint: Checkpoint, corpus: str | Path | None = None
) -> tuple[Codes, Codes]:
    """Return the training part and the held-out part of the current text of a run."""
    return open_run_corpus(checkpoint, corpus).split(checkpoint.run.config.training.val_fraction)


def read_codes(
    checkpoint: Checkpoint, path: str | Path, unknown: Literal["error", "skip"] = "error"
) -> Codes:
    """Read a file, or standard input (`-`), and encode it with the vocabulary of a run."""
    return _encode(checkpoint, str(path), read_text(path), unknown)


def encode_texts(
    checkpoint: Checkpoint,
    texts: list[tuple[str, str]],
    corpus: str | None,
    unknown: Literal["error", "skip"],
) -> Iterator[tuple[str, Codes]]:
    """Yield the name and codes of each (name, text) pair, or of the run's held-out text."""
    if not texts:
        yield "held out", split_run_corpus(checkpoint, corpus)[1]
    for name, text in texts:
        yield name, _encode(checkpoint, name, text, unknown)


def _encode(
    checkpoint: Checkpoint, name: str, text: str, unknown: Literal["error", "skip"]
) -> Codes:
    """Encode a text; the error for an unknown character names the text and the run."""
    try:
        return Vocabulary(checkpoint.run.config.vocabulary).encode(text, unknown)
    except VocabularyError as error:
        raise VocabularyError(
            f"the model of {checkpoint.run.path} cannot read {name}: {error.message}",
            *error.remedies,
            characters=error.characters,
        ) from None
