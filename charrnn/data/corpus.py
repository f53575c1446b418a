"""The corpus: a text as character codes, with its vocabulary and its source."""

import dataclasses
import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from charrnn.config.counts import format_count
from charrnn.config.text import DEFAULT_TEXT_CONFIG, SEPARATOR, ReadingConfig, ResolvedTextConfig
from charrnn.data import catalogue, encoded_cache
from charrnn.data.character_names import list_characters, name_character
from charrnn.data.corpus_record import CorpusRecord
from charrnn.data.document_index import DocumentIndex, locate_documents, split_documents
from charrnn.data.downloads import fetch
from charrnn.data.encoded_cache import EncodedText
from charrnn.data.line_starts import find_line_start
from charrnn.data.progress import CHUNK, ProgressCallback
from charrnn.data.recorded_text import (
    find_or_none,
    list_recorded_sources,
    make_not_found_error,
)
from charrnn.data.sources import Documents, Source, find_documents
from charrnn.data.vocabulary import UNKNOWN, CharacterCounts, Codes, Vocabulary
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
    """The most common first character of a line, or of a document; see `EncodedText`."""
    more_paths: tuple[str, ...] = ()
    config: ResolvedTextConfig = DEFAULT_TEXT_CONFIG
    counts: tuple[int, ...] = ()
    """How often each character of the vocabulary occurs."""
    num_distinct: int = 0
    """Number of different characters, including those that are read as one unknown symbol."""
    skipped: tuple[str, ...] = ()
    """A sentence for each kind of files that were skipped in a folder."""

    @classmethod
    def open(
        cls,
        source: Source | Sequence[Source],
        config: ReadingConfig = DEFAULT_TEXT_CONFIG,
        *,
        known: Vocabulary | None = None,
        progress: ProgressCallback | None = None,
    ) -> "Corpus":
        """Read text files, folders, patterns, a text of the catalog, or `-` (standard input).

        Several documents are read in order, with a separator between them. A large text is encoded
        once, stored in the user's cache and mapped into memory. Standard input is stored there
        too, so that a run can be resumed. The vocabulary contains the characters of `known`, if
        given, and those of the text that occur `min_count` times or more. `progress` is called
        with a `Reading` while a large text is downloaded or read. Raises `CorpusError`.
        """
        sources = [source] if isinstance(source, (str, Path)) else list(source)
        for name in sources:
            entry = catalogue.entries().get(str(name))
            if entry and entry.path is None and catalogue.has_text(name):
                fetch(entry, progress)
        resolved = config.resolve()
        documents = find_documents(sources, resolved)
        fingerprint = documents.compute_fingerprint(progress)
        without_rare = resolved if known is None else dataclasses.replace(resolved, min_count=1)
        text = encoded_cache.encode(documents, fingerprint, without_rare, progress)
        corpus = cls._from_encoded(
            text, documents.name, documents.paths, fingerprint.sha256, resolved, documents.notes
        )
        return corpus if known is None else corpus.encode_with_extended(known)

    @classmethod
    def from_text(
        cls, text: str, *, name: str = "text", path: str = "", sha256: str | None = None
    ) -> "Corpus":
        """Make a corpus from a text in memory; raise `CorpusError` if it is empty."""
        if not text:
            raise CorpusError(f"{path or 'the text'} is empty", "give a text to learn from")
        counter = CharacterCounts()
        counter.add(text)
        vocabulary = counter.make_vocabulary()
        codes = vocabulary.encode(text)
        encoded = EncodedText(
            codes=codes,
            vocabulary=vocabulary,
            counts=counter.counts_of(vocabulary),
            line_start=find_line_start(codes, vocabulary),
            num_distinct=len(vocabulary),
        )
        digest = sha256 or hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        return cls._from_encoded(encoded, name, (path,), digest, DEFAULT_TEXT_CONFIG)

    @classmethod
    def _from_encoded(
        cls,
        text: EncodedText,
        name: str,
        paths: tuple[str, ...],
        sha256: str,
        config: ResolvedTextConfig,
        skipped: tuple[str, ...] = (),
    ) -> "Corpus":
        if text.vocabulary.characters == (UNKNOWN,):
            raise CorpusError(
                f"every character of {name} is U+FFFD, the sign for characters that a program "
                "could not decode",
                "give the original text",
            )
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
            skipped=skipped,
        )

    def encode_with_extended(self, vocabulary: Vocabulary) -> "Corpus":
        """Return the same text with the codes of `vocabulary`, extended by the new characters.

        New characters that occur less often than `min_count` are read as the unknown symbol.
        """
        counts = dict(zip(self.vocabulary.characters, self.counts, strict=False))
        minimum = self.config.min_count
        new = [char for char in self.vocabulary.characters if char not in vocabulary]
        kept = (SEPARATOR, UNKNOWN, self.config.document_separator)
        frequent = [char for char in new if char in kept or counts.get(char, minimum) >= minimum]
        added = frequent if len(frequent) == len(new) else [*frequent, UNKNOWN]
        return self._translate_codes(vocabulary.extended("".join(added)))

    def encode_with(self, vocabulary: Vocabulary) -> "Corpus":
        """Return the same text with the codes of `vocabulary`.

        Raises `VocabularyError` if the text contains characters that are not in `vocabulary`.
        """
        try:
            return self._translate_codes(vocabulary)
        except VocabularyError as error:
            number = len(error.characters)
            raise VocabularyError(
                f"{self.name} contains {format_count(number, 'character')} that "
                f"{'is' if number == 1 else 'are'} not in the vocabulary of this run: "
                f"{list_characters(error.characters)}",
                *vocabulary.list_newline_remedies(error.characters),
                "start a new run from the model with `charrnn train TEXT --init-from RUN`",
                characters=error.characters,
            ) from None

    def _translate_codes(self, vocabulary: Vocabulary) -> "Corpus":
        """Return the same text with the codes of another vocabulary."""
        if vocabulary == self.vocabulary:
            return self
        codes = vocabulary.encode("".join(self.vocabulary.characters))
        counts = self.counts
        if counts:
            sums = np.bincount(codes, counts, len(vocabulary))
            counts = tuple(sums.astype(np.int64).tolist())
        translated = np.empty(len(self.codes), vocabulary.dtype)
        for first in range(0, len(translated), CHUNK):
            translated[first : first + CHUNK] = codes[self.codes[first : first + CHUNK]]
            encoded_cache.release_pages(self.codes)
        is_known = self.line_start in vocabulary
        start = self.line_start if is_known else find_line_start(translated, vocabulary)
        return dataclasses.replace(
            self, codes=translated, vocabulary=vocabulary, counts=counts, line_start=start
        )

    @classmethod
    def reopen(
        cls,
        record: CorpusRecord,
        vocabulary: Vocabulary,
        source: Source | None = None,
        config: ReadingConfig = DEFAULT_TEXT_CONFIG,
        *,
        allow_other: bool = False,
        progress: ProgressCallback | None = None,
    ) -> "Corpus":
        """Open the text of a run again: from `source`, else its path, the cache or the catalog.

        Raises `CorpusError` if the text is not found, or if it has another SHA-256 (the message
        gives both). With `allow_other`, any text at `source` is accepted. `vocabulary` decides
        which characters are read as the unknown symbol; without that symbol, a character that is
        not in `vocabulary` raises `VocabularyError`.
        """
        config = config.resolve()
        candidates: list[Sequence[Source]] = (
            list_recorded_sources(record) if source is None else [[source]]
        )
        mismatch: tuple[Documents, str] | None = None
        for sources in candidates:
            documents = (
                find_or_none(sources, config) if source is None else find_documents(sources, config)
            )
            if documents is None:
                continue
            fingerprint = documents.compute_fingerprint(progress)
            is_same = fingerprint.sha256 == record.sha256
            if is_same or (allow_other and source is not None):
                name = record.name if is_same else documents.name
                encode = functools.partial(
                    encoded_cache.encode, documents, fingerprint, progress=progress
                )
                text = encoded_cache.encode_for(vocabulary, config, encode)
                details = (documents.paths, fingerprint.sha256, config, documents.notes)
                return cls._from_encoded(text, name, *details).encode_with(vocabulary)
            mismatch = mismatch or (documents, fingerprint.sha256)
        if source is None:
            find_copy = functools.partial(encoded_cache.find_copy, record.sha256)
            if copy := encoded_cache.encode_for(vocabulary, config, find_copy):
                paths = record.paths or ("",)
                corpus = cls._from_encoded(copy, record.name, paths, record.sha256, config)
                return corpus.encode_with(vocabulary)
        raise make_not_found_error(record, candidates, mismatch)

    def split(self, val_fraction: float) -> tuple[Codes, Codes]:
        """Return the training part and the held-out part: the last `val_fraction` of the text.

        Of a text of documents, each part consists of whole documents.
        """
        boundary = int((1.0 - val_fraction) * len(self.codes))
        if self.documents is not None:
            boundary = split_documents(self.documents, len(self.codes), val_fraction)
        return self.codes[:boundary], self.codes[boundary:]

    @property
    def separator_code(self) -> int | None:
        """The code of the separator of documents; None for a text that is read as one stream.

        Raises `CorpusError` if the text does not contain it.
        """
        separator = self.config.separator
        if separator is None:
            return None
        if separator not in self.vocabulary:
            raise CorpusError(
                f"{self.name} does not contain {name_character(separator)}, so it has no "
                "separate documents",
                "give a text that contains it",
                "give the character between its documents with --document-separator",
                "read it as one stream with --no-documents",
            )
        return self.vocabulary.find_code(separator)

    @functools.cached_property
    def documents(self) -> DocumentIndex | None:
        """Where the documents are; None for a text that is read as one stream.

        Raises `CorpusError` if there is none.
        """
        if self.separator_code is None:
            return None
        index = locate_documents(self.codes, self.separator_code)
        if not len(index.starts_D):
            raise CorpusError(
                f"{self.name} contains only separators of documents",
                "give a text with documents",
                "give another character with --document-separator",
                "read it as one stream with --no-documents",
            )
        return index

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
