"""Atomic writes and syncs of files and folders; the folders installed with charrnn; the cache."""

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import platformdirs

_PACKAGE = Path(__file__).parent


def installed_folder(name: str) -> Path:
    """Return a folder that comes with charrnn: in the installed package, or beside a checkout's."""
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name


def cache_folder() -> Path:
    """Return charrnn's folder in the user's cache."""
    return Path(platformdirs.user_cache_dir("charrnn"))


def sync_file(file: IO[bytes]) -> None:
    """Write the data of an open file to the disk, not only to the system's memory."""
    file.flush()
    os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Write the names of the files in a folder to the disk, if its file system can do that."""
    if os.name == "nt":  # Windows cannot open a folder
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        os.close(descriptor)


def write_synced(path: Path, data: bytes) -> None:
    """Write a file, in place, and sync it."""
    with path.open("wb") as file:
        file.write(data)
        sync_file(file)


def move_file(source: Path, target: Path) -> None:
    """Move a complete file to its final path, replace an existing file, and sync its new name."""
    source.replace(target)
    sync_folder(target.parent)


def replace_file(path: Path, content: str | bytes, *, synced: bool = False) -> None:
    """Write a file completely, or leave what was there before; text is written as UTF-8.

    With `synced`, the file and its name are on the disk when this returns. An `OSError` names
    `path`, also where the temporary file beside it failed.
    """
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        if synced:
            write_synced(temporary, data)
            move_file(temporary, path)
        else:
            temporary.write_bytes(data)
            temporary.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError) and error.errno is not None:
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise


@contextlib.contextmanager
def temporary_file(folder: Path) -> Iterator[IO[bytes]]:
    """Open a new file in a folder; it is removed at the end of the block unless it was moved."""
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".tmp", delete=False) as file:
        try:
            yield file
        finally:
            Path(file.name).unlink(missing_ok=True)


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Make a temporary folder, and rename it to `path` at the end of the block.

    It is removed where the block raises, and where it cannot be renamed: another process may have
    made the folder first.
    """
    temporary = Path(tempfile.mkdtemp(dir=path.parent, suffix=".tmp"))
    try:
        yield temporary
        with contextlib.suppress(OSError):
            temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
