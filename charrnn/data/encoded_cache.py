"""Texts as character codes: made in one go over chunks, large ones kept and mapped into memory.

    CACHE/encoded/<key>/codes      the codes, as small integers one after another
    CACHE/encoded/<key>/text.json  the vocabulary, and what is known of the text

The key is the SHA-256 of the text's own and of how it is read. A copy is written beside its place
and renamed, so that it is whole or not there, and shared by all runs of the same text.
"""

import codecs
import contextlib
import hashlib
import json
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.config.text import TextConfig
from charrnn.data.background import BackgroundWorker
from charrnn.data.cache import encoded_folder
from charrnn.data.decoding import decode_chunks
from charrnn.data.progress import ProgressCallback, ProgressReporter, Reading, throttled
from charrnn.data.sources import Documents, Fingerprint
from charrnn.data.vocabulary import UNKNOWN, CharacterCounts, Codes, Vocabulary
from charrnn.errors import CorpusError
from charrnn.files import new_folder, sync_file, write_synced

SEPARATOR = "\x1c"
"""Stands between documents: FILE SEPARATOR, which texts do not hold."""

MIN_CACHED_BYTES = 8 << 20  # bytes: a smaller text is encoded sooner than a copy is worth keeping
_FORMAT = 1


@dataclass(frozen=True)
class EncodedText:
    """A text as codes, and what was counted meanwhile."""

    codes: Codes
    vocabulary: Vocabulary
    counts: tuple[int, ...]
    """How often each character of the vocabulary occurs."""
    line_start: str
    """The character that most often begins a line, white space apart."""
    distinct: int
    """Different characters in the text, those read as `UNKNOWN` too."""


def encode(
    documents: Documents,
    fingerprint: Fingerprint,
    config: TextConfig,
    progress: ProgressCallback | None = None,
) -> EncodedText:
    """Encode documents whose fingerprint is taken, or map the copy there is of them.

    An exception of `progress` ends the work and is passed on.
    """
    report = ProgressReporter(progress)
    if fingerprint.size < MIN_CACHED_BYTES:
        return _encode(documents, fingerprint, config, None, report)
    if copy := find_copy(fingerprint.sha256, config):
        return copy
    place = _place(fingerprint.sha256, config)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with new_folder(place) as folder:  # if another process is first, its copy is identical
            encoded = _encode(documents, fingerprint, config, folder, report)
        return find_copy(fingerprint.sha256, config) or encoded
    except OSError:  # no room or no right to keep a copy: memory has to do
        if report.failed:
            raise
        return _encode(documents, fingerprint, config, None, report)


def find_copy(sha256: str, config: TextConfig) -> EncodedText | None:
    """Return the copy of a text that is read in this way, None where there is none."""
    place = _place(sha256, config)
    try:
        facts = json.loads((place / "text.json").read_bytes())
        dtype = np.dtype(facts["dtype"])
        with (place / "codes").open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if len(mapped) != facts["characters"] * dtype.itemsize:
            return None
        return EncodedText(
            codes=np.frombuffer(mapped, dtype),
            vocabulary=Vocabulary(facts["vocabulary"]),
            counts=tuple(facts["counts"]),
            line_start=facts["line_start"],
            distinct=facts["distinct"],
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def line_start(codes: Codes, vocabulary: Vocabulary) -> str:
    """Return the character that most often begins a line, white space apart."""
    starts = _LineStarts(vocabulary)
    starts.add(codes)
    return starts.most_common()


def release_pages(codes: Codes) -> None:
    """Let go of the pages of a mapped text: they count as memory in use, and can be read again."""
    base: Any = codes
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, memoryview):
        base = base.obj
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)


def _place(sha256: str, config: TextConfig) -> Path:
    encoding = codecs.lookup(config.encoding).name
    how = [_FORMAT, sha256, encoding, config.newline, config.min_count]
    key = hashlib.sha256(json.dumps(how).encode()).hexdigest()
    return encoded_folder() / key


def _encode(
    documents: Documents,
    expected: Fingerprint,
    config: TextConfig,
    folder: Path | None,
    progress: ProgressCallback | None,
) -> EncodedText:
    """Read the text twice: for its characters, then for their codes, into a file or memory."""
    counter, seen, report = CharacterCounts(), 0, throttled(progress)
    task, total = f"encoding {documents.name}", 2 * expected.size
    for piece in _pieces(documents, config):
        counter.add(piece)
        seen = min(seen + len(piece), expected.size)  # about: characters, not bytes
        report(Reading(task, seen, total))
    characters = counter.characters
    if not characters:
        raise CorpusError(
            f"{documents.files[0].where} is empty: a text to learn from is needed"
            if len(documents.files) == 1
            else f"all {len(documents.files)} files are empty: a text to learn from is needed"
        )
    vocabulary = counter.vocabulary(config.min_count)
    if vocabulary.characters == (UNKNOWN,) and counter.distinct() > 1:
        raise CorpusError(
            f"every character of {documents.name} occurs less than {config.min_count} times: "
            "give a smaller --min-count"
        )
    starts, again = _LineStarts(vocabulary), Fingerprint()
    with _CodeWriter(characters, vocabulary.dtype, folder) as sink:
        for piece in _pieces(documents, config, again):
            codes = vocabulary.encode(piece, "skip")  # a text that changed is found out below
            starts.add(codes)
            sink.add(codes)
            report(Reading(task, expected.size + again.size, total))
    if again.sha256 != expected.sha256 or sink.length != characters:
        raise CorpusError(
            f"{documents.name} changed while it was read: wait until it is written, then try again"
        )
    encoded = EncodedText(
        codes=sink.codes,
        vocabulary=vocabulary,
        counts=counter.counts(vocabulary),
        line_start=starts.most_common(),
        distinct=counter.distinct(),
    )
    if folder:
        _write_facts(folder / "text.json", encoded)
    return encoded


def _pieces(
    documents: Documents, config: TextConfig, fingerprint: Fingerprint | None = None
) -> Iterator[str]:
    """Yield the text of all documents, with a separator between those that are not empty."""
    begun = False
    for document in documents.files:
        inside = False
        chunks = document.chunks()
        if fingerprint:
            chunks = fingerprint.watch(chunks)
        for piece in decode_chunks(chunks, document.where, config):
            if begun and not inside:
                yield SEPARATOR
            begun = inside = True
            yield piece


class _LineStarts:
    """How often each character begins a line, counted over chunks of codes."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._characters = vocabulary.characters
        self._worker = BackgroundWorker()
        self._break = self._characters.index("\n") if "\n" in vocabulary else None
        self._counts = np.zeros(len(vocabulary), dtype=np.int64)
        self._at_start = True

    def add(self, codes: Codes) -> None:
        """Count those of the next chunk."""
        self._worker.submit(self._add, codes)

    def most_common(self) -> str:
        self._worker.close()
        spaces = [each.isspace() or each == UNKNOWN for each in self._characters]
        counts = np.where(spaces, 0, self._counts)
        return self._characters[int(counts.argmax())] if counts.any() else self._characters[0]

    def _add(self, codes: Codes) -> None:
        if self._at_start:
            self._count(codes[:1])
            self._at_start = False
        if self._break is not None and len(codes):
            self._count(codes[np.flatnonzero(codes[:-1] == self._break) + 1])
            self._at_start = bool(codes[-1] == self._break)

    def _count(self, starts: Codes) -> None:
        self._counts += np.bincount(starts, minlength=len(self._counts))


class _CodeWriter:
    """Takes codes in order: to a file that is then mapped, or into memory."""

    def __init__(self, length: int, dtype: np.dtype[Any], folder: Path | None) -> None:
        self._path = folder / "codes" if folder else None
        self._file = self._path.open("wb") if self._path else None
        self._memory: NDArray[Any] = np.empty(0 if folder else length, dtype)
        self._dtype, self.length = dtype, 0
        self._worker = BackgroundWorker()

    def __enter__(self) -> "_CodeWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._file:
            with self._file:
                if kind is None:
                    self._worker.close()
                    sync_file(self._file)
                else:  # that is what is to be told, and the file is given up
                    with contextlib.suppress(OSError):
                        self._worker.close()

    def add(self, codes: Codes) -> None:
        if self._file:
            self._worker.submit(self._file.write, codes.data)
        else:
            room = self._memory[self.length : self.length + len(codes)]
            room[:] = codes[: len(room)]
        self.length += len(codes)

    @property
    def codes(self) -> Codes:
        if self._path is None:
            return self._memory
        with self._path.open("rb") as file:
            return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), self._dtype)


def _write_facts(path: Path, encoded: EncodedText) -> None:
    facts = {
        "characters": len(encoded.codes),
        "dtype": encoded.codes.dtype.str,
        "line_start": encoded.line_start,
        "distinct": encoded.distinct,
        "vocabulary": encoded.vocabulary.characters,
        "counts": encoded.counts,
    }
    write_synced(path, json.dumps(facts).encode())
