"""Where the bytes of a text come from: files, folders, patterns, standard input, .gz."""

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
    """A file of text, plain or compressed by gzip; `where` is what errors call it."""

    path: Path
    where: str

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes of the text; raise `CorpusError` where they cannot be read."""
        packed = self.path.suffix == ".gz"
        try:
            with gzip.open(self.path) if packed else self.path.open("rb", buffering=0) as file:
                while chunk := file.read(CHUNK):
                    yield chunk
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise CorpusError(
                f"{self.where} is not a whole .gz file ({error}): give the file as it was packed, "
                "or a text without the suffix .gz"
            ) from None
        except OSError as error:
            raise _unreadable(self.where, error) from None


@dataclass(frozen=True)
class Documents:
    """The texts that a corpus is made of, in a stable order."""

    name: str
    paths: tuple[str, ...]
    """What was asked for, with absolute paths: enough to find the same texts again."""
    files: tuple[Document, ...]

    @property
    def size(self) -> int:
        """Bytes on the disk; of files that are gone 0."""
        return sum(each.path.stat().st_size for each in self.files if each.path.exists())

    def show(self, fingerprint: "Fingerprint", progress: ProgressCallback | None = None) -> None:
        """Show all bytes to a fingerprint."""
        total, report = self.size, throttled(progress)
        for document in self.files:
            for _ in fingerprint.watch(document.chunks()):
                report(Reading(f"looking at {self.name}", fingerprint.size, total))


class Fingerprint:
    """The SHA-256 of documents whose bytes pass by.

    Of a single one it is that of its bytes, unpacked; of several that of theirs, one after another.
    """

    def __init__(self) -> None:
        self.size = 0
        self._digests: list[bytes] = []

    def watch(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Pass on the chunks of the next document."""
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
        """The SHA-256 of the documents that have passed."""
        if len(self._digests) == 1:
            return self._digests[0].hex()
        return hashlib.sha256(b"".join(self._digests)).hexdigest()


def find_documents(sources: Sequence[Source]) -> Documents:
    """Find the texts that files, folders, patterns, names and `-` stand for.

    The sources keep their order; the files of a folder or pattern are sorted by their path, hidden
    ones left out. What can be read only once is kept in the user's cache. Raises `CorpusError`.
    """
    found = [_find(source) for source in sources]
    names = [name for name, _, _ in found]
    return Documents(
        name=names[0] if len(names) == 1 else f"{names[0]}-and-{len(names) - 1}-more",
        paths=tuple(path for _, path, _ in found),
        files=tuple(document for _, _, documents in found for document in documents),
    )


def _find(source: Source) -> tuple[str, str, list[Document]]:
    """Return a name, what to find it by again, and the documents."""
    if str(source) == "-":
        path = _keep(sys.stdin.buffer)
        return "stdin", str(path), [Document(path, "standard input")]
    path = Path(source)
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        mode = 0
    except (OSError, ValueError) as error:
        raise _unreadable(str(path), error) from None
    if stat.S_ISREG(mode):
        return _stem(path), str(path.resolve()), [Document(path, str(path))]
    if listed := _listed(str(source)):
        return listed
    absolute = str(path.absolute())
    if stat.S_ISDIR(mode):
        return path.resolve().name or "root", absolute, _folder(path)
    if stat.S_ISFIFO(mode):
        with path.open("rb", buffering=0) as pipe:
            kept = _keep(pipe)
        return "pipe", str(kept), [Document(kept, str(path))]
    if mode:
        raise CorpusError(f"{path} is a device, not a text: give a text file")
    if glob.has_magic(str(source)) and (matches := _matching(str(source))):
        return _stem(matches[0].path.absolute().parent), absolute, matches
    names = ", ".join(catalogue.list_names())
    raise CorpusError(
        f"there is no file {path}, and no text of that name in the catalogue ({names}): "
        "give the path of a text file"
    )


def _listed(name: str) -> tuple[str, str, list[Document]] | None:
    """Find a text of the catalogue, None if it is not here or there is none of that name."""
    entry = catalogue.entries().get(name)
    if entry is None or entry.path is None:
        return None
    if entry.python:
        return name, name, [Document(each, str(each)) for each in catalogue.python_files()]
    return name, str(entry.path), [Document(entry.path, str(entry.path))]


def _folder(folder: Path) -> list[Document]:
    found = []
    for place, subfolders, names in os.walk(folder):
        subfolders[:] = [each for each in subfolders if not each.startswith(".")]
        found += [Path(place, name) for name in names if not name.startswith(".")]
    files = [path for path in sorted(found, key=lambda path: path.parts) if path.is_file()]
    if not files:
        raise CorpusError(f"{folder} is a folder without files: give one that holds text files")
    return [Document(path, str(path)) for path in files]


def _matching(pattern: str) -> list[Document]:
    found = sorted(map(Path, glob.glob(pattern, recursive=True)), key=lambda path: path.parts)
    return [Document(path, str(path)) for path in found if path.is_file()]


def _stem(path: Path) -> str:
    return Path(path.stem).stem if path.suffix == ".gz" else path.stem


def _keep(stream: IO[bytes]) -> Path:
    """Copy a stream into the cache, under the SHA-256 of what it gave."""
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
            f"what was piped in cannot be kept in {folder} ({error.strerror}): make room there, "
            "or give the path of a text file"
        ) from None
    return path


def _unreadable(where: str, error: OSError | ValueError) -> CorpusError:
    why = error.strerror if isinstance(error, OSError) else error
    return CorpusError(f"{where} cannot be read ({why}): give a readable text file")
