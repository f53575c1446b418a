"""The sources of the bytes of a text: files (also .gz), folders, patterns, standard input."""

import glob
import gzip
import hashlib
import os
import stat
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

from charrnn.data import catalogue
from charrnn.data.background import BackgroundWorker
from charrnn.data.cache import cached_text_path, texts_folder
from charrnn.data.progress import CHUNK, ProgressCallback, Reading, throttled
from charrnn.errors import CorpusError
from charrnn.files import move_file, sync_file, temporary_file

Source = str | Path


class Document(NamedTuple):
    """A text file, plain or compressed by gzip; `label` is its name in error messages."""

    path: Path
    label: str

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes of the text; raise `CorpusError` if they cannot be read."""
        is_gzip = self.path.suffix == ".gz"
        try:
            with gzip.open(self.path) if is_gzip else self.path.open("rb", buffering=0) as file:
                while chunk := file.read(CHUNK):
                    yield chunk
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise CorpusError(
                f"{self.label} is not a complete .gz file ({error}): give the complete file, or a "
                "plain text whose name does not end in .gz"
            ) from None
        except OSError as error:
            raise _read_error(self.label, error) from None


@dataclass(frozen=True)
class Documents:
    """The documents of a corpus, in a fixed order."""

    name: str
    paths: tuple[str, ...]
    """The absolute paths of the sources, to find the same documents again."""
    files: tuple[Document, ...]

    @property
    def size(self) -> int:
        """The size on the disk in bytes. Files that no longer exist are not counted."""
        return sum(file.path.stat().st_size for file in self.files if file.path.exists())

    def compute_fingerprint(self, progress: ProgressCallback | None = None) -> "Fingerprint":
        """Read all documents and return their fingerprint."""
        fingerprint, total, report = Fingerprint(), self.size, throttled(progress)
        for document in self.files:
            for _ in fingerprint.update(document.chunks()):
                report(Reading(f"reading {self.name}", fingerprint.size, total))
        return fingerprint


class Fingerprint:
    """The SHA-256 and the size in bytes of documents.

    For one document, it is the SHA-256 of its uncompressed bytes. For several documents, it is the
    SHA-256 of their SHA-256 digests in order.
    """

    def __init__(self) -> None:
        self.size = 0
        self._digests: list[bytes] = []

    def update(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Add the next document: yield its chunks, and hash them in a background thread."""
        digest = hashlib.sha256()
        worker = BackgroundWorker()
        for chunk in chunks:
            self.size += len(chunk)
            worker.submit(digest.update, chunk)
            yield chunk
        worker.close()
        self._digests.append(digest.digest())

    @property
    def sha256(self) -> str:
        """The SHA-256 of the documents that were added."""
        if len(self._digests) == 1:
            return self._digests[0].hex()
        return hashlib.sha256(b"".join(self._digests)).hexdigest()


def find_documents(sources: Sequence[Source]) -> Documents:
    """Find the documents of files, folders, patterns, names in the catalog and `-`.

    The sources keep their order. The files of a folder or pattern are sorted by path; hidden files
    are left out. Standard input and pipes are copied to the user's cache. Raises `CorpusError`.
    """
    resolved = [_resolve(source) for source in sources]
    names = [name for name, _, _ in resolved]
    return Documents(
        name=names[0] if len(names) == 1 else f"{names[0]}-and-{len(names) - 1}-more",
        paths=tuple(path for _, path, _ in resolved),
        files=tuple(document for _, _, documents in resolved for document in documents),
    )


def _resolve(source: Source) -> tuple[str, str, list[Document]]:
    """Return a name for a source, the path to find it again, and its documents."""
    if str(source) == "-":
        path = _copy_to_cache(sys.stdin.buffer)
        return "stdin", str(path), [Document(path, "standard input")]
    path = Path(source)
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        mode = 0
    except (OSError, ValueError) as error:
        raise _read_error(str(path), error) from None
    if stat.S_ISREG(mode):
        return _text_name(path), str(path.resolve()), [Document(path, str(path))]
    if entry := _find_in_catalogue(str(source)):
        return entry
    absolute = str(path.absolute())
    if stat.S_ISDIR(mode):
        return path.resolve().name or "root", absolute, _list_folder(path)
    if stat.S_ISFIFO(mode):
        with path.open("rb", buffering=0) as pipe:
            copy = _copy_to_cache(pipe)
        return "pipe", str(copy), [Document(copy, str(path))]
    if mode:
        raise CorpusError(f"{path} is a device, not a text: give a text file")
    if glob.has_magic(str(source)) and (matches := _match_pattern(str(source))):
        return _text_name(matches[0].path.absolute().parent), absolute, matches
    names = ", ".join(catalogue.list_names())
    raise CorpusError(
        f"there is no file {path}, and no text of that name in the catalog ({names}): "
        "give the path of a text file"
    )


def _find_in_catalogue(name: str) -> tuple[str, str, list[Document]] | None:
    """Return a text of the catalog like `_resolve`; None if it is unknown or not downloaded."""
    entry = catalogue.entries().get(name)
    if entry is None or entry.path is None:
        return None
    if entry.python:
        return name, name, [Document(path, str(path)) for path in catalogue.python_files()]
    return name, str(entry.path), [Document(entry.path, str(entry.path))]


def _list_folder(folder: Path) -> list[Document]:
    """Return the files of a folder and its subfolders; raise `CorpusError` if there are none."""
    paths = []
    for parent, subfolders, names in os.walk(folder):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        paths += [Path(parent, name) for name in names if not name.startswith(".")]
    files = [path for path in sorted(paths, key=lambda path: path.parts) if path.is_file()]
    if not files:
        raise CorpusError(f"{folder} is a folder without files: give a folder with text files")
    return [Document(path, str(path)) for path in files]


def _match_pattern(pattern: str) -> list[Document]:
    paths = sorted(map(Path, glob.glob(pattern, recursive=True)), key=lambda path: path.parts)
    return [Document(path, str(path)) for path in paths if path.is_file()]


def _text_name(path: Path) -> str:
    return Path(path.stem).stem if path.suffix == ".gz" else path.stem


def _copy_to_cache(stream: IO[bytes]) -> Path:
    """Copy a stream to a file in the cache, named by its SHA-256; return the path of the file."""
    folder = texts_folder()
    digest = hashlib.sha256()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with temporary_file(folder) as file:
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
                file.write(chunk)
            sync_file(file)
            path = cached_text_path(digest.hexdigest())
            move_file(Path(file.name), path)
    except OSError as error:
        raise CorpusError(
            f"the piped text cannot be stored in {folder} ({error.strerror}): check that the disk "
            "has free space and that you may write there, or give the path of a text file"
        ) from None
    return path


def _read_error(label: str, error: OSError | ValueError) -> CorpusError:
    reason = error.strerror if isinstance(error, OSError) else error
    return CorpusError(f"{label} cannot be read ({reason}): give a text file that you may read")
