"""The sources of the bytes of a text: files (also .gz), folders, patterns, standard input."""

import difflib
import glob
import hashlib
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from charrnn.config.text import DEFAULT_TEXT_CONFIG, ResolvedTextConfig
from charrnn.data import catalogue
from charrnn.data.background import BackgroundWorker
from charrnn.data.cache import cached_text_path, texts_folder
from charrnn.data.document import Document, read_error
from charrnn.data.folders import TextFiles, is_run
from charrnn.data.progress import CHUNK, ProgressCallback, Reading, throttled
from charrnn.data.web_address import refuse_web_address
from charrnn.errors import CorpusError
from charrnn.files import expand_path, make_folder, move_file, quote_path, sync_file, temporary_file

Source = str | Path


@dataclass(frozen=True)
class Documents:
    """The documents of a corpus, in a fixed order."""

    name: str
    paths: tuple[str, ...]
    """The absolute paths of the sources, to find the same documents again."""
    files: tuple[Document, ...]
    notes: tuple[str, ...] = ()
    """A sentence for each kind of files that were skipped."""

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


def find_documents(
    sources: Sequence[Source], config: ResolvedTextConfig = DEFAULT_TEXT_CONFIG
) -> Documents:
    """Find the documents of files, folders, patterns, names in the catalog and `-`.

    The sources keep their order. The files of a folder or pattern are sorted by path; hidden files,
    runs and files that are not text are left out (with `config.strict`, only hidden files).
    Standard input and pipes are copied to the user's cache. Raises `CorpusError`.
    """
    if not sources:
        raise CorpusError("no text was given", "give a text file")
    files = TextFiles(config)
    resolved = [_resolve(source, files) for source in sources]
    names = [name for name, _, _ in resolved]
    return Documents(
        name=names[0] if len(names) == 1 else f"{names[0]}-and-{len(names) - 1}-more",
        paths=tuple(path for _, path, _ in resolved),
        files=tuple(document for _, _, documents in resolved for document in documents),
        notes=tuple(files.describe_skipped()),
    )


def _resolve(source: Source, files: TextFiles) -> tuple[str, str, list[Document]]:
    """Return a name for a source, the path to find it again, and its documents."""
    if str(source) == "-":
        path = _copy_to_cache(sys.stdin.buffer)
        return "stdin", str(path), [Document(path, "standard input")]
    path = expand_path(source)
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        mode = 0
    except (OSError, ValueError) as error:
        raise read_error(str(path), error) from None
    if stat.S_ISREG(mode):
        return _text_name(path), str(path.resolve()), [Document(path, str(path))]
    if entry := _find_in_catalogue(str(source)):
        return entry
    absolute = str(path.absolute())
    if stat.S_ISDIR(mode):
        _refuse_run(path)
        return path.resolve().name or "root", absolute, files.list_folder(path)
    if stat.S_ISFIFO(mode):
        with path.open("rb", buffering=0) as pipe:
            copy = _copy_to_cache(pipe)
        return "pipe", str(copy), [Document(copy, str(path))]
    if mode:
        raise CorpusError(f"{path} is a device, not a text", "give a text file")
    refuse_web_address(source)
    if glob.has_magic(str(path)) and (matches := files.match_pattern(str(path))):
        return _text_name(matches[0].path.absolute().parent), absolute, matches
    raise _missing_error(path)


def _refuse_run(folder: Path) -> None:
    """Raise `CorpusError` if a folder is a run, or a checkpoint in one."""
    run = next((path for path in (folder, folder.absolute().parent) if is_run(path)), None)
    if run is not None and (run == folder or folder.name.startswith("step-")):
        raise CorpusError(
            f"{folder} belongs to a run, and is not a text",
            f"continue the run with `charrnn resume {quote_path(run)}`",
            f"generate text with `charrnn sample {quote_path(run)}`",
            f"train from its weights on another text with --init-from {quote_path(run)}",
        )


def _missing_error(path: Path) -> CorpusError:
    if path.is_symlink():
        return CorpusError(
            f"{path} is a link to a file that does not exist", "give the path of a text file"
        )
    names = catalogue.list_names()
    similar = difflib.get_close_matches(str(path), names, n=1)
    hint = f"; did you mean {similar[0]}?" if similar else ""
    return CorpusError(
        f"there is no file {path}, and no text of that name in the catalog "
        f"({', '.join(names)}{hint})",
        "give the path of a text file",
    )


def _find_in_catalogue(name: str) -> tuple[str, str, list[Document]] | None:
    """Return a text of the catalog like `_resolve`; None if it is unknown or not downloaded."""
    entry = catalogue.entries().get(name)
    if entry is None or entry.path is None:
        return None
    if entry.python:
        return name, name, [Document(path, str(path)) for path in catalogue.python_files()]
    return name, str(entry.path), [Document(entry.path, str(entry.path))]


def _text_name(path: Path) -> str:
    """Return the name of a text file without its suffix, and without dots at its start."""
    stem = Path(path.stem).stem if path.suffix == ".gz" else path.stem
    return stem.lstrip(".") or "text"


def _copy_to_cache(stream: IO[bytes]) -> Path:
    """Copy a stream to a file in the cache, named by its SHA-256; return the path of the file."""
    folder = texts_folder()
    digest = hashlib.sha256()
    try:
        make_folder(folder)
        with temporary_file(folder) as file:
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
                file.write(chunk)
            sync_file(file)
            file.close()
            path = cached_text_path(digest.hexdigest())
            move_file(Path(file.name), path)
    except OSError as error:
        raise CorpusError(
            f"the piped text cannot be stored in {folder} ({error.strerror})",
            "check that the disk has free space and that you may write there",
            "give the path of a text file",
        ) from None
    return path
