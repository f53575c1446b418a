"""The corpus: a text as character codes, with its vocabulary and its source."""

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from charrnn.config.counts import format_count
from charrnn.config.text import DEFAULT_TEXT_CONFIG, TextConfig
from charrnn.data import catalogue, encoded_cache
from charrnn.data.cache import cached_text_path
from charrnn.data.corpus_record import CorpusRecord
from charrnn.data.downloads import fetch
from charrnn.data.encoded_cache import EncodedText
from charrnn.data.progress import CHUNK, ProgressCallback
from charrnn.data.sources import Documents, Source, find_documents
from charrnn.data.vocabulary import CharacterCounts, Codes, Vocabulary, describe_unusual_characters
from charrnn.errors import CorpusError, VocabularyError


@dataclass(frozen=True)
class Corpus:
    """A text as character codes, with its vocabulary and its source.

    `name` and `path` are those of the source, `sha256` is the SHA-256 of its bytes.
    """

    name: str
    path: str
    sha256: str
    codes: Codes
    vocabulary: Vocabulary
    line_start: str
    """The most common first character of a line, without white space."""
    more_paths: tuple[str, ...] = ()
    config: TextConfig = DEFAULT_TEXT_CONFIG
    counts: tuple[int, ...] = ()
    """How often each character of the text's own vocabulary occurs."""
    num_distinct: int = 0
    """Number of different characters, including those that are read as one unknown symbol."""

    @classmethod
    def open(
        cls,
        source: Source | Sequence[Source],
        config: TextConfig = DEFAULT_TEXT_CONFIG,
        *,
        progress: ProgressCallback | None = None,
    ) -> "Corpus":
        """Read text files, folders, patterns, a text of the catalog, or `-` (standard input).

        Several documents are read in order, with a separator between them. A large text is encoded
        once, stored in the user's cache and mapped into memory. Standard input is stored there
        too, so that a run can be resumed. `progress` is called with a `Reading` while a large text
        is downloaded or read. Raises `CorpusError`.
        """
        sources = [source] if isinstance(source, (str, Path)) else list(source)
        for name in sources:
            entry = catalogue.entries().get(str(name))
            if entry and entry.path is None and not Path(name).exists():
                fetch(entry, progress)
        documents = find_documents(sources)
        fingerprint = documents.compute_fingerprint(progress)
        text = encoded_cache.encode(documents, fingerprint, config, progress)
        return cls._from_encoded(text, documents.name, documents.paths, fingerprint.sha256, config)

    @classmethod
    def from_text(
        cls, text: str, *, name: str = "text", path: str = "", sha256: str | None = None
    ) -> "Corpus":
        """Make a corpus from a text in memory; raise `CorpusError` if it is empty."""
        if not text:
            raise CorpusError(f"{path or 'the text'} is empty: give a text to learn from")
        counter = CharacterCounts()
        counter.add(text)
        vocabulary = counter.make_vocabulary()
        codes = vocabulary.encode(text)
        encoded = EncodedText(
            codes=codes,
            vocabulary=vocabulary,
            counts=counter.counts_of(vocabulary),
            line_start=encoded_cache.find_line_start(codes, vocabulary),
            num_distinct=len(vocabulary),
        )
        digest = sha256 or hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        return cls._from_encoded(encoded, name, (path,), digest, DEFAULT_TEXT_CONFIG)

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
            num_distinct=text.num_distinct,
        )

    def encode_with_extended(self, vocabulary: Vocabulary) -> "Corpus":
        """Return the same text with the codes of `vocabulary`, extended by the new characters."""
        return self._translate_codes(vocabulary.extended("".join(self.vocabulary.characters)))

    def encode_with(self, vocabulary: Vocabulary) -> "Corpus":
        """Return the same text with the codes of `vocabulary`.

        Raises `VocabularyError` if the text contains characters that are not in `vocabulary`.
        """
        try:
            return self._translate_codes(vocabulary)
        except VocabularyError as error:
            examples = ", ".join(repr(character) for character in error.characters[:8])
            verb = "is" if len(error.characters) == 1 else "are"
            raise VocabularyError(
                f"{self.name} contains {format_count(len(error.characters), 'character')} that "
                f"{verb} not in the vocabulary of this run ({examples})",
                "start a new run from the model with `charrnn train TEXT --init-from RUN`",
                characters=error.characters,
            ) from None

    def _translate_codes(self, vocabulary: Vocabulary) -> "Corpus":
        """Return the same text with the codes of another vocabulary."""
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
        """Open the text of a run again: from `source`, else its path, the cache or the catalog.

        Raises `CorpusError` if the text is not found, or if it has another SHA-256 (the message
        gives both). With `allow_other`, any text at `source` is accepted; it raises
        `VocabularyError` if it contains characters that are not in `vocabulary`.
        """
        candidates: list[Sequence[Source]] = (
            _recorded_sources(record) if source is None else [[source]]
        )
        mismatch: tuple[Documents, str] | None = None
        for sources in candidates:
            documents = _find_or_none(sources) if source is None else find_documents(sources)
            if documents is None:
                continue
            fingerprint = documents.compute_fingerprint(progress)
            is_same = fingerprint.sha256 == record.sha256
            if is_same or (allow_other and source is not None):
                text = encoded_cache.encode(documents, fingerprint, config, progress)
                name = record.name if is_same else documents.name
                corpus = cls._from_encoded(text, name, documents.paths, fingerprint.sha256, config)
                if is_same:
                    return corpus.encode_with_extended(vocabulary)
                return corpus.encode_with(vocabulary)
            mismatch = mismatch or (documents, fingerprint.sha256)
        if source is None and (copy := encoded_cache.find_copy(record.sha256, config)):
            paths = record.paths or ("",)
            corpus = cls._from_encoded(copy, record.name, paths, record.sha256, config)
            return corpus.encode_with_extended(vocabulary)
        raise _not_found_error(record, candidates, mismatch)

    def split(self, val_fraction: float) -> tuple[Codes, Codes]:
        """Return the training part and the held-out part: the last `val_fraction` of the text."""
        boundary = int((1.0 - val_fraction) * len(self.codes))
        return self.codes[:boundary], self.codes[boundary:]

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence with advice for each unusual property of the characters of the text."""
        return describe_unusual_characters(self.vocabulary, self.counts, self.num_distinct)

    @property
    def record(self) -> CorpusRecord:
        """The data about this text that a run stores."""
        return CorpusRecord(
            name=self.name,
            path=self.path,
            sha256=self.sha256,
            characters=len(self.codes),
            line_start=self.line_start,
            more_paths=self.more_paths,
        )


def _recorded_sources(record: CorpusRecord) -> list[Sequence[Source]]:
    """Return the sources where the text of a run may be: its paths, the cache, the catalog."""
    sources: list[Sequence[Source]] = [record.paths] if record.paths else []
    sources.append([cached_text_path(record.sha256)])
    if catalogue.find_text(record.name):
        sources.append([record.name])
    return sources


def _not_found_error(
    record: CorpusRecord, candidates: list[Sequence[Source]], mismatch: tuple[Documents, str] | None
) -> CorpusError:
    """Return the error if no candidate is the text; `mismatch` is a wrong text that was found."""
    if mismatch:
        documents, sha256 = mismatch
        return CorpusError(
            f"{' and '.join(documents.paths)} is not the text that this run was trained on: "
            f"expected SHA-256 {record.sha256}, found {sha256}; give the unchanged text with "
            "--corpus FILE"
        )
    entry = catalogue.entries().get(record.name)
    if entry and not entry.path and entry.expected_sha256 in (None, record.sha256):
        return CorpusError(
            f"the text {record.name!r} of this run is not on this machine: run "
            f"`charrnn corpora fetch {record.name}`, or give its path with --corpus FILE"
        )
    searched = " and ".join(str(source) for sources in candidates for source in sources)
    return CorpusError(
        f"the text {record.name!r} of this run is not at {searched}: "
        "give its path with --corpus FILE"
    )


def _find_or_none(sources: Sequence[Source]) -> Documents | None:
    """Find documents; return None if a source does not exist."""
    try:
        return find_documents(sources)
    except CorpusError:
        return None
