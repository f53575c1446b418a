"""Reads every text that is given to a run, in the same way as the text of the run."""

import collections
import dataclasses
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from charrnn.config.counts import format_count
from charrnn.config.text import ReadingConfig, ResolvedTextConfig
from charrnn.data import catalogue
from charrnn.data.byte_source import ByteSource
from charrnn.data.character_names import list_characters
from charrnn.data.corpus import Corpus
from charrnn.data.decoding import convert_newlines, decode_text, open_text
from charrnn.data.encoding_check import guess_known_encoding
from charrnn.data.progress import ProgressCallback
from charrnn.data.sources import Source
from charrnn.data.vocabulary import UNKNOWN, Codes, Vocabulary
from charrnn.errors import CorpusError, UnknownCharactersWarning, VocabularyError
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.progress import Progress

Unknown = Literal["error", "skip"]
_FEW_UNKNOWN = 0.01  # fraction of the characters of a text; rare characters are fewer


class TextReader:
    """Reads texts for the run of a checkpoint: as its current text, except for what is given.

    The vocabulary of the run decides which characters are read as the unknown symbol.
    """

    def __init__(self, checkpoint: Checkpoint, given: ReadingConfig = ReadingConfig()) -> None:  # noqa: B008
        config = Progress.from_checkpoint(checkpoint).current_config(checkpoint.run.config)
        self.path = checkpoint.run.path
        self.vocabulary = Vocabulary(config.vocabulary)
        self.record = config.corpus
        """The record of the current text of the run."""
        self.recorded = config.text
        """How the current text of the run was read."""
        self.config = given.resolve(self.recorded)
        """How texts are read."""
        self._given = given
        self._val_fraction = config.training.val_fraction

    def read(self, source: Source | ByteSource, siblings: Sequence[ByteSource] = ()) -> str:
        """Return the text of a file, or of standard input (`-`); raise `CorpusError`.

        `siblings` are the other texts that the same command reads.
        """
        return decode_text(_open(source), self.config, siblings)

    def convert(self, text: str) -> str:
        """Convert the line ends of a text that was typed, as those of a file are converted."""
        return convert_newlines(text, self.config.newline)

    def read_known(
        self,
        source: Source | ByteSource,
        unknown: Unknown = "error",
        siblings: Sequence[ByteSource] = (),
    ) -> tuple[str, Codes]:
        """Return a text and its codes; raise `VocabularyError` if it has unknown characters.

        With `unknown` "skip", they stay in the text, and the codes leave them out. Emits
        `UnknownCharactersWarning` if the unknown symbol replaces more than a few characters.
        """
        opened = _open(source)
        text = self.read(opened, siblings)
        try:
            codes = self.vocabulary.encode(text, unknown)
        except VocabularyError as error:
            hint, remedies = self._explain_unknown(opened, text)
            raise VocabularyError(
                f"the model of {self.path} cannot read {opened.label}: {error.message}{hint}",
                *remedies,
                *error.remedies,
                characters=error.characters,
            ) from None
        if UNKNOWN in self.vocabulary:
            self._warn_of_unknown(opened, text)
        return text, codes

    def read_codes(
        self,
        source: Source | ByteSource,
        unknown: Unknown = "error",
        siblings: Sequence[ByteSource] = (),
    ) -> Codes:
        """Return the codes of `read_known`; raise `CorpusError` if the text is too short."""
        opened = _open(source)
        text, codes = self.read_known(opened, unknown, siblings)
        needed = 2 if self.config.separator is None else 1  # a document starts without a character
        if len(text) < needed:
            reason = (
                "2 are needed, one to read and one to predict" if needed == 2 else "1 is needed"
            )
            raise CorpusError(
                f"{opened.label} has {format_count(len(text), 'character')}, but at least {reason}",
                "give a longer text",
            )
        return codes

    def _explain_unknown(self, source: ByteSource, text: str) -> tuple[str, list[str]]:
        """Return the likely encoding of a text with unknown characters, and the remedy."""
        characters = frozenset(self.vocabulary.characters)
        guess = guess_known_encoding(source, text, characters, self.config)
        return (
            (f"; it looks like {guess}", [f"read it with --encoding {guess}"])
            if guess
            else ("", [])
        )

    def _warn_of_unknown(self, source: ByteSource, text: str) -> None:
        """Warn if more than a few characters of a text are read as the unknown symbol."""
        counts = collections.Counter(text)
        unknown = [character for character in counts if character not in self.vocabulary]
        number = sum(counts[character] for character in unknown)
        if number <= _FEW_UNKNOWN * len(text):
            return
        hint, remedies = self._explain_unknown(source, text)
        carriage_returns = [character for character in unknown if character == "\r"]
        remedies = remedies or self.vocabulary.list_newline_remedies(carriage_returns)
        advice = f": {' or '.join(remedies)}" if remedies else ""
        warnings.warn(
            f"{number:,} of {format_count(len(text), 'character')} of {source.label} "
            f"{'is' if number == 1 else 'are'} not in the vocabulary of the model, which reads "
            f"them as its unknown symbol ({list_characters(unknown)}){hint}{advice}",
            UnknownCharactersWarning,
            stacklevel=3,
        )

    def encode_texts(
        self, texts: Sequence[tuple[str, ByteSource]], corpus: Source | None, unknown: Unknown
    ) -> Iterator[tuple[str, Codes]]:
        """Yield the name and codes of each (name, text) pair, or of the held-out text.

        `corpus` is the current path of the text of the run.
        """
        if not texts:
            yield "held out", self.split(corpus)[1]
        siblings = [text for _, text in texts]
        for name, text in texts:
            yield name, self.read_codes(text, unknown, siblings)

    def open_corpus(self, source: str) -> Corpus:
        """Open files, a folder or a text of the catalog as a corpus with all its characters.

        Emits `UnknownCharactersWarning` if the model knows LF, but not the line ends of the text.
        """
        config = dataclasses.replace(self._config_for([source]), min_count=1)
        corpus = Corpus.open(source, config)
        if "\r" in corpus.vocabulary and "\r" not in self.vocabulary:
            for remedy in self.vocabulary.list_newline_remedies("\r"):
                warnings.warn(
                    f"{corpus.name} has carriage returns, which the model cannot generate, so no "
                    f"copied passage includes such a line end: {remedy}",
                    UnknownCharactersWarning,
                    stacklevel=2,
                )
        return corpus

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
        """Return the training part and the held-out part of the current text of the run.

        Raises `CorpusError` if there is no held-out part.
        """
        self.check_held_out()
        return self.reopen(source).split(self._val_fraction)

    def check_held_out(self) -> None:
        """Raise `CorpusError` if the run was trained on all of its text."""
        if not self._val_fraction:
            raise CorpusError(
                f"{self.path} was trained on all of its text, so there is no held-out text",
                "give another text with --text FILE",
                "to score another text, name it after the model",
            )

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
