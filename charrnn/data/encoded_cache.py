"""Texts as character codes. A large text is encoded once, stored in the cache and memory-mapped.

    CACHE/encoded/<key>/codes      the codes, as an array of small integers
    CACHE/encoded/<key>/text.json  the vocabulary and the counts

The key is a SHA-256 of the text's SHA-256 and of the settings for reading it. A copy is written to
a temporary folder that is then renamed. After a power loss, `text.json` or both files can be
incomplete or missing, which is detected; codes that are as many as `text.json` says are complete.
"""

import contextlib
import dataclasses
import hashlib
import json
import mmap
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from charrnn.config.text import SEPARATOR, ResolvedTextConfig
from charrnn.data.background import BackgroundWorker
from charrnn.data.cache import encoded_folder
from charrnn.data.decoding import decode_chunks
from charrnn.data.line_starts import LineStarts
from charrnn.data.progress import ProgressCallback, ProgressReporter, Reading, throttled
from charrnn.data.sources import Documents, Fingerprint
from charrnn.data.vocabulary import UNKNOWN, CharacterCounts, Codes, Vocabulary
from charrnn.errors import CorpusError
from charrnn.files import new_folder, sync_file

MIN_CACHED_BYTES = 8 << 20  # a smaller text is encoded so fast that a copy is not useful
write_copies = True
"""Whether this process writes copies to the cache."""
_FORMAT = 2
_READABLE_FORMATS = (_FORMAT, 1)
"""In format 1, the line start of documents is that of their lines, and separators can be rare."""


@dataclass(frozen=True)
class EncodedText:
    """A text as codes, with its vocabulary and its counts."""

    codes: Codes
    vocabulary: Vocabulary
    counts: tuple[int, ...]
    """How often each character of the vocabulary occurs."""
    line_start: str
    """The most common first character of a line, without white space.

    If the text has the separator of documents, of a document; that can be white space.
    """
    num_distinct: int
    """Number of different characters in the text, including those that are read as `UNKNOWN`."""


def encode(
    documents: Documents,
    fingerprint: Fingerprint,
    config: ResolvedTextConfig,
    progress: ProgressCallback | None = None,
) -> EncodedText:
    """Encode documents, or map the copy of them that is in the cache.

    `fingerprint` is that of the documents. An exception that `progress` raises ends the work and is
    propagated.
    """
    report = ProgressReporter(progress)
    if fingerprint.size < MIN_CACHED_BYTES:
        return _encode(documents, fingerprint, config, None, report)
    path = _copy_path(fingerprint.sha256, config)
    if copy := _read_copy(path):
        return copy
    if not write_copies:
        return _encode(documents, fingerprint, config, None, report)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(path, ignore_errors=True)  # a damaged copy
        with new_folder(path) as folder:  # an existing copy of another process is kept
            # Windows renames only folders whose files are not mapped, so the result is not kept.
            _encode(documents, fingerprint, config, folder, report)
        if copy := _read_copy(path):
            return copy
    except OSError:  # the copy cannot be stored: encode the text in memory
        if report.failed:
            raise
    return _encode(documents, fingerprint, config, None, report)


_Encoded = TypeVar("_Encoded", EncodedText, EncodedText | None)


def encode_for(
    vocabulary: Vocabulary,
    config: ResolvedTextConfig,
    encode: Callable[[ResolvedTextConfig], _Encoded],
) -> _Encoded:
    """Encode a text so that `vocabulary` decides which characters are rare.

    The text is encoded with `min_count` only if that gives the same vocabulary.
    """
    if config.min_count > 1:
        text = encode(config)
        if text and text.vocabulary == vocabulary:
            return text
    return encode(dataclasses.replace(config, min_count=1))


def find_copy(sha256: str, config: ResolvedTextConfig) -> EncodedText | None:
    """Return the copy of a text that was read with these settings; None if there is none.

    Use only the codes and the vocabulary of a copy of an earlier format.
    """
    copies = (_read_copy(_copy_path(sha256, config, number)) for number in _READABLE_FORMATS)
    return next((copy for copy in copies if copy), None)


def _read_copy(path: Path) -> EncodedText | None:
    try:
        metadata = json.loads((path / "text.json").read_bytes())
        dtype = np.dtype(metadata["dtype"])
        with (path / "codes").open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if len(mapped) != metadata["characters"] * dtype.itemsize:
            return None
        return EncodedText(
            codes=np.frombuffer(mapped, dtype),
            vocabulary=Vocabulary(metadata["vocabulary"]),
            counts=tuple(metadata["counts"]),
            line_start=metadata["line_start"],
            num_distinct=metadata["distinct"],
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def release_pages(codes: Codes) -> None:
    """Release the memory pages of a mapped text; the system reads them again when needed."""
    base: Any = codes
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, memoryview):
        base = base.obj
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)


def _copy_path(sha256: str, config: ResolvedTextConfig, format_number: int = _FORMAT) -> Path:
    key_fields = [format_number, sha256, config.codec, config.newline, config.min_count]
    if config.separator not in (None, SEPARATOR):  # it is between files, and never rare
        key_fields.append(config.separator)
    key = hashlib.sha256(json.dumps(key_fields).encode()).hexdigest()
    return encoded_folder() / key


def _encode(
    documents: Documents,
    expected: Fingerprint,
    config: ResolvedTextConfig,
    folder: Path | None,
    progress: ProgressCallback | None,
) -> EncodedText:
    """Read the text twice: count its characters, then write their codes to a file or to memory."""
    counter, num_read, report = CharacterCounts(), 0, throttled(progress)
    task, total = f"encoding {documents.name}", 2 * expected.size
    for piece in _decode_documents(documents, config):
        counter.add(piece)
        num_read = min(num_read + len(piece), expected.size)  # an estimate: characters, not bytes
        report(Reading(task, num_read, total))
    characters, vocabulary = counter.total, _make_vocabulary(counter, documents, config)
    line_starts, fingerprint = LineStarts(vocabulary), Fingerprint()
    with _CodeWriter(characters, vocabulary.dtype, folder) as writer:
        for piece in _decode_documents(documents, config, fingerprint):
            codes = vocabulary.encode(piece, "skip")  # a text that changed is detected below
            line_starts.add(codes)
            writer.add(codes)
            report(Reading(task, expected.size + fingerprint.size, total))
    if fingerprint.sha256 != expected.sha256 or writer.length != characters:
        raise CorpusError(
            f"{documents.name} changed while charrnn read it",
            "wait until it is complete, then try again",
        )
    encoded = EncodedText(
        codes=writer.codes,
        vocabulary=vocabulary,
        counts=counter.counts_of(vocabulary),
        line_start=line_starts.most_common(),
        num_distinct=counter.num_distinct,
    )
    if folder:
        _write_metadata(folder / "text.json", encoded)
    return encoded


def _make_vocabulary(
    counter: CharacterCounts, documents: Documents, config: ResolvedTextConfig
) -> Vocabulary:
    """Return the vocabulary of documents; raise `CorpusError` if no character is left."""
    if not counter.total:
        raise CorpusError(
            f"{documents.files[0].label} is empty"
            if len(documents.files) == 1
            else f"all {len(documents.files)} files are empty",
            "give a text to learn from",
        )
    separator = config.separator or SEPARATOR
    vocabulary = counter.make_vocabulary(config.min_count, separator)
    if counter.num_distinct > 1 and {UNKNOWN, SEPARATOR, separator}.issuperset(
        vocabulary.characters
    ):
        raise CorpusError(
            f"every character of {documents.name} occurs less than {config.min_count} times",
            "give a longer text",
            "give a smaller --min-count",
        )
    return vocabulary


def _decode_documents(
    documents: Documents, config: ResolvedTextConfig, fingerprint: Fingerprint | None = None
) -> Iterator[str]:
    """Yield the text of all documents in pieces, with a separator between documents.

    Empty documents are left out. `fingerprint` is updated with the bytes of the documents.
    """
    is_first_document = True
    for document in documents.files:
        is_start = True
        chunks = document.chunks()
        if fingerprint:
            chunks = fingerprint.update(chunks)
        for piece in decode_chunks(chunks, document, config, documents.files):
            if is_start and not is_first_document:
                yield config.separator or SEPARATOR
            is_first_document = is_start = False
            yield piece


class _CodeWriter:
    """Writes codes in order to a file, which is then mapped, or to memory."""

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
                else:  # report the exception of the block; the file is not used
                    with contextlib.suppress(OSError):
                        self._worker.close()

    def add(self, codes: Codes) -> None:
        if self._file:
            self._worker.submit(self._file.write, codes.data)
        else:
            target = self._memory[self.length : self.length + len(codes)]
            target[:] = codes[: len(target)]
        self.length += len(codes)

    @property
    def codes(self) -> Codes:
        if self._path is None:
            return self._memory
        with self._path.open("rb") as file:
            return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), self._dtype)


def _write_metadata(path: Path, encoded: EncodedText) -> None:
    metadata = {
        "characters": len(encoded.codes),
        "dtype": encoded.codes.dtype.str,
        "line_start": encoded.line_start,
        "distinct": encoded.num_distinct,
        "vocabulary": encoded.vocabulary.characters,
        "counts": encoded.counts,
    }
    path.write_text(json.dumps(metadata), "utf-8")
