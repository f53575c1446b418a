"""A text as character codes, and where it came from."""

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from charrnn.config.text import DEFAULT_TEXT_CONFIG, TextConfig
from charrnn.data import catalogue, encoded_cache
from charrnn.data.cache import cached_text_path
from charrnn.data.corpus_record import CorpusRecord
from charrnn.data.downloads import fetch
from charrnn.data.encoded_cache import EncodedText
from charrnn.data.progress import CHUNK, ProgressCallback
from charrnn.data.sources import Documents, Fingerprint, Source, find_documents
from charrnn.data.vocabulary import CharacterCounts, Codes, Vocabulary, describe_unusual_characters
from charrnn.errors import CorpusError, VocabularyError


@dataclass(frozen=True)
class Corpus:
    """A text as character codes, and where it came from."""

    name: str
    path: str
    sha256: str
    codes: Codes
    vocabulary: Vocabulary
    line_start: str
    """The character that most often begins a line, white space apart."""
    more_paths: tuple[str, ...] = ()
    config: TextConfig = DEFAULT_TEXT_CONFIG
    counts: tuple[int, ...] = ()
    """How often each character of the text's own vocabulary occurs."""
    distinct: int = 0
    """Different characters, those read as one unknown symbol too."""

    @classmethod
    def open(
        cls,
        source: Source | Sequence[Source],
        config: TextConfig = DEFAULT_TEXT_CONFIG,
        *,
        progress: ProgressCallback | None = None,
    ) -> "Corpus":
        """Read text files, folders, patterns, a text of the catalogue, or `-` (standard input).

        Several documents are read in order, with a separator between them. Large texts are encoded
        once and mapped from the user's cache. Standard input is kept there, so that a run can be
        resumed. `progress` is called with a `Reading` while a large text is fetched or read.
        Raises `CorpusError`.
        """
        sources = [source] if isinstance(source, (str, Path)) else list(source)
        for each in sources:
            entry = catalogue.entries().get(str(each))
            if entry and entry.path is None and not Path(each).exists():
                fetch(entry, progress)
        documents = find_documents(sources)
        fingerprint = Fingerprint()
        documents.show(fingerprint, progress)
        text = encoded_cache.encode(documents, fingerprint, config, progress)
        return cls._from_encoded(text, documents.name, documents.paths, fingerprint.sha256, config)

    @classmethod
    def from_text(
        cls, text: str, *, name: str = "text", path: str = "", sha256: str | None = None
    ) -> "Corpus":
        """Make a corpus of a text in memory."""
        if not text:
            raise CorpusError(f"{path or 'the text'} is empty: a text to learn from is needed")
        counter = CharacterCounts()
        counter.add(text)
        vocabulary = counter.vocabulary()
        codes = vocabulary.encode(text)
        made = EncodedText(
            codes=codes,
            vocabulary=vocabulary,
            counts=counter.counts(vocabulary),
            line_start=encoded_cache.line_start(codes, vocabulary),
            distinct=len(vocabulary),
        )
        digest = sha256 or hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        return cls._from_encoded(made, name, (path,), digest, DEFAULT_TEXT_CONFIG)

    @classmethod
    def _from_encoded(
        cls, text: EncodedText, name: str, paths: tuple[str, ...], sha256: str, config: TextConfig
    ) -> "Corpus":
        return cls(
            name=name,
            path=paths[0],
            more_paths=paths[1:],
            sha256=sha256,
            codes=text.codes,
            vocabulary=text.vocabulary,
            line_start=text.line_start,
            config=config,
            counts=text.counts,
            distinct=text.distinct,
        )

    def encode_with_extended(self, known: Vocabulary) -> "Corpus":
        """Return the same text in the codes of `known`, its new characters added at the end."""
        return self._translate_codes(known.extended("".join(self.vocabulary.characters)))

    def encode_with(self, known: Vocabulary) -> "Corpus":
        """Return the same text in the codes of `known`; raise `VocabularyError` for others."""
        try:
            return self._translate_codes(known)
        except VocabularyError as error:
            named = ", ".join(repr(each) for each in error.characters[:8])
            raise VocabularyError(
                f"{self.name} holds {len(error.characters):,} characters that the model of this "
                f"run does not know ({named}): start a new run from it by "
                "`charrnn train TEXT --init-from RUN`",
                error.characters,
            ) from None

    def _translate_codes(self, vocabulary: Vocabulary) -> "Corpus":
        """Return the same text in the codes of another vocabulary."""
        if vocabulary == self.vocabulary:
            return self
        codes = vocabulary.encode("".join(self.vocabulary.characters))
        translated = np.empty(len(self.codes), vocabulary.dtype)
        for first in range(0, len(translated), CHUNK):
            translated[first : first + CHUNK] = codes[self.codes[first : first + CHUNK]]
            encoded_cache.release_pages(self.codes)
        return dataclasses.replace(self, codes=translated, vocabulary=vocabulary)

    @classmethod
    def reopen(
        cls,
        record: CorpusRecord,
        vocabulary: Vocabulary,
        source: Source | None = None,
        config: TextConfig = DEFAULT_TEXT_CONFIG,
        *,
        allow_other: bool = False,
        progress: ProgressCallback | None = None,
    ) -> "Corpus":
        """Find the text of a run again: at `source`; or its path, the cache or the catalogue.

        Raises `CorpusError` where it is not there or, naming both hashes, where it is another one,
        unless `allow_other` takes whatever is at `source`: then `VocabularyError` where that holds
        characters that are not in `vocabulary`.
        """
        places: list[Sequence[Source]] = _recorded_places(record) if source is None else [[source]]
        other: tuple[Documents, str] | None = None
        for sources in places:
            documents = _there(sources) if source is None else find_documents(sources)
            if documents is None:
                continue
            fingerprint = Fingerprint()
            documents.show(fingerprint, progress)
            same = fingerprint.sha256 == record.sha256
            if same or (allow_other and source is not None):
                text = encoded_cache.encode(documents, fingerprint, config, progress)
                name = record.name if same else documents.name
                found = cls._from_encoded(text, name, documents.paths, fingerprint.sha256, config)
                return (
                    found.encode_with_extended(vocabulary)
                    if same
                    else found.encode_with(vocabulary)
                )
            other = other or (documents, fingerprint.sha256)
        if source is None and (copy := encoded_cache.find_copy(record.sha256, config)):
            found = cls._from_encoded(
                copy, record.name, record.paths or ("",), record.sha256, config
            )
            return found.encode_with_extended(vocabulary)
        raise _not_found(record, places, other)

    def split(self, val_fraction: float) -> tuple[Codes, Codes]:
        """Return the training part and the held-out part: the last `val_fraction` of the text."""
        border = int((1.0 - val_fraction) * len(self.codes))
        return self.codes[:border], self.codes[border:]

    @property
    def notes(self) -> tuple[str, ...]:
        """What is unusual about the text, a sentence each, and what can be done about it."""
        return describe_unusual_characters(self.vocabulary, self.counts, self.distinct)

    @property
    def record(self) -> CorpusRecord:
        """What a run keeps of this corpus."""
        return CorpusRecord(
            name=self.name,
            path=self.path,
            sha256=self.sha256,
            characters=len(self.codes),
            line_start=self.line_start,
            more_paths=self.more_paths,
        )


def _recorded_places(record: CorpusRecord) -> list[Sequence[Source]]:
    """Return where the text of a run may be: its paths, the cache, the catalogue."""
    places: list[Sequence[Source]] = [record.paths] if record.paths else []
    places.append([cached_text_path(record.sha256)])
    if catalogue.find_text(record.name):
        places.append([record.name])
    return places


def _not_found(
    record: CorpusRecord, places: list[Sequence[Source]], other: tuple[Documents, str] | None
) -> CorpusError:
    """Return the error for a text that is not at `places`; `other` is a text that is there."""
    if other:
        documents, sha256 = other
        return CorpusError(
            f"{' and '.join(documents.paths)} is not the text this run was trained on: expected "
            f"SHA-256 {record.sha256}, found {sha256}; give the unchanged text with "
            "--corpus FILE"
        )
    looked = " and ".join(str(source) for sources in places for source in sources)
    return CorpusError(
        f"the text {record.name!r} of this run is not at {looked}: "
        "say where it is now with --corpus FILE"
    )


def _there(sources: Sequence[Source]) -> Documents | None:
    """Find documents, None where one of the sources is not there."""
    try:
        return find_documents(sources)
    except CorpusError:
        return None
