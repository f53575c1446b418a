"""Reads every text that is given to a run, in the same way as the text of the run."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from charrnn.config.counts import format_count
from charrnn.config.text import ReadingConfig, ResolvedTextConfig
from charrnn.data import catalogue
from charrnn.data.byte_source import ByteSource
from charrnn.data.corpus import Corpus
from charrnn.data.decoding import convert_newlines, decode_text, open_text
from charrnn.data.encoding_check import guess_known_encoding
from charrnn.data.progress import ProgressCallback
from charrnn.data.sources import Source
from charrnn.data.vocabulary import Codes, Vocabulary
from charrnn.errors import CorpusError, VocabularyError
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.progress import Progress

Unknown = Literal["error", "skip"]


class TextReader:
    """Reads texts for the run of a checkpoint: as its current text, except for what is given.

    The vocabulary of the run decides which characters are read as the unknown symbol.
    """

    def __init__(self, checkpoint: Checkpoint, given: ReadingConfig = ReadingConfig()) -> None:  # noqa: B008
        config, progress = checkpoint.run.config, Progress.from_checkpoint(checkpoint)
        self.path = checkpoint.run.path
        self.vocabulary = Vocabulary(config.vocabulary)
        self.record = progress.corpus or config.corpus
        """The record of the current text of the run."""
        self.recorded = (progress.corpus and progress.text) or config.text
        """How the current text of the run was read."""
        self.config = given.resolve(self.recorded)
        """How texts are read."""
        self._given = given
        self._val_fraction = config.training.val_fraction

    def read(self, source: Source | ByteSource) -> str:
        """Return the text of a file, or of standard input (`-`); raise `CorpusError`."""
        return decode_text(_open(source), self.config)

    def convert(self, text: str) -> str:
        """Convert the line ends of a text that was typed, as those of a file are converted."""
        return convert_newlines(text, self.config.newline)

    def read_codes(self, source: Source | ByteSource, unknown: Unknown = "error") -> Codes:
        """Read a text and encode it; raise `VocabularyError` if it has unknown characters."""
        opened = _open(source)
        text = self.read(opened)
        if len(text) < 2:
            raise CorpusError(
                f"{opened.label} has {format_count(len(text), 'character')}, but at least 2 are "
                "needed, one to read and one to predict",
                "give a longer text",
            )
        try:
            return self.vocabulary.encode(text, unknown)
        except VocabularyError as error:
            characters = frozenset(self.vocabulary.characters)
            guess = guess_known_encoding(opened, text, characters, self.config)
            looks = f"; it looks like {guess}" if guess else ""
            reading = [f"read it with --encoding {guess}"] if guess else []
            raise VocabularyError(
                f"the model of {self.path} cannot read {opened.label}: {error.message}{looks}",
                *reading,
                *error.remedies,
                characters=error.characters,
            ) from None

    def encode_texts(
        self, texts: Sequence[tuple[str, ByteSource]], corpus: Source | None, unknown: Unknown
    ) -> Iterator[tuple[str, Codes]]:
        """Yield the name and codes of each (name, text) pair, or of the held-out text.

        `corpus` is the current path of the text of the run.
        """
        if not texts:
            yield "held out", self.split(corpus)[1]
        for name, text in texts:
            yield name, self.read_codes(text, unknown)

    def open_corpus(self, source: str) -> Corpus:
        """Open files, a folder or a text of the catalog as a corpus with all its characters."""
        config = dataclasses.replace(self._config_for([source]), min_count=1)
        return Corpus.open(source, config)

    def reopen(
        self,
        source: Source | None = None,
        *,
        allow_other: bool = False,
        progress: ProgressCallback | None = None,
    ) -> Corpus:
        """Open the current text of the run again, from `source` if it has moved.

        With `allow_other`, any text at `source` is accepted.
        """
        config = self.config
        if source is not None and str(source) != self.record.name:
            config = self._config_for([source])
        return Corpus.reopen(
            self.record,
            self.vocabulary,
            source,
            config,
            allow_other=allow_other,
            progress=progress,
        )

    def is_current(self, text: Corpus) -> bool:
        """Return whether a text is the current text of the run, read as it was."""
        is_same = text.sha256 == self.record.sha256
        return is_same and text.config.decodes_like(self.recorded)

    def split(self, source: Source | None = None) -> tuple[Codes, Codes]:
        """Return the training part and the held-out part of the current text of the run."""
        return self.reopen(source).split(self._val_fraction)

    def _config_for(self, sources: Iterable[Source]) -> ResolvedTextConfig:
        return config_for_sources(sources, self._given, self.config)


def config_for_sources(
    sources: Iterable[Source], given: ReadingConfig, config: ResolvedTextConfig
) -> ResolvedTextConfig:
    """Return `config`, but with UTF-8 for texts of the catalog, unless an encoding is given."""
    if given.encoding is None and all(map(catalogue.has_text, sources)):
        return dataclasses.replace(config, encoding="utf-8")
    return config


def _open(source: Source | ByteSource) -> ByteSource:
    return open_text(source) if isinstance(source, (str, Path)) else source
