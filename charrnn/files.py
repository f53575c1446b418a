"""Atomic writes of files and folders; the paths of the installed folders and of the cache."""

import contextlib
import errno
import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import platformdirs

from charrnn.errors import ConfigError

_PACKAGE = Path(__file__).parent


def expand_path(path: str | Path) -> Path:
    """Return a path with `~` and `~user` replaced by the home folder.

    `./~` is a file of that name. Raises `ConfigError` if the path is empty or the user is unknown.
    """
    if not str(path).strip():
        raise ConfigError("an empty path names no file or folder")
    if str(Path(path)).startswith("~") and not str(path).startswith("~"):
        return Path(path).absolute()  # "./~": the shorter form "~" is the home folder
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise ConfigError(
            f"the home folder in {path} cannot be found",
            f"give a path that does not start with ~, or ./{path} for a file of that name",
        ) from None


def installed_folder(name: str) -> Path:
    """Return the path of a folder that comes with charrnn.

    It is in the installed package, or next to the package in a checkout.
    """
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name


def cache_folder() -> Path:
    """Return the path of charrnn's folder in the user's cache."""
    return Path(platformdirs.user_cache_dir("charrnn"))


def quote_path(path: str | Path) -> str:
    """Return a path as an argument of a command that is shown to the user."""
    text = f"./{path}" if str(path).startswith("-") else str(path)
    if os.name == "nt":
        return text if re.fullmatch(r"[\w\\/.:~-]+", text) else f'"{text}"'
    return shlex.quote(text)


def list_disk_remedies(error: OSError) -> tuple[str, ...]:
    """Return what to do if the disk is full, or if the user may not write a file or folder."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ("free some space on that disk",)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return ("check that you may write there",)
    return ()


def sync_file(file: IO[bytes]) -> None:
    """Flush an open file from the buffers of Python and of the system to the disk."""
    file.flush()
    os.fsync(file.fileno())


def sync_path(path: Path) -> None:
    """Flush a closed file to the disk."""
    with path.open("rb+") as file:
        sync_file(file)


def sync_folder(path: Path) -> None:
    """Flush the names of the files in a folder to the disk, if its file system supports that."""
    if os.name == "nt":  # Windows cannot open a folder
        return
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:  # a folder that may be written, but not read
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        os.close(descriptor)


def make_folder(path: Path, *, exist_ok: bool = True) -> None:
    """Create a folder and its missing parents, and flush their names to the disk."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=exist_ok)
    for folder in missing:
        sync_folder(folder.parent)


def write_synced(path: Path, data: bytes) -> None:
    """Write a file and flush it to the disk."""
    with path.open("wb") as file:
        file.write(data)
        sync_file(file)


def move_file(source: Path, target: Path) -> None:
    """Move a complete file to its final path, where it replaces an existing file; sync its name."""
    source.replace(target)
    sync_folder(target.parent)


def replace_file(path: Path, content: str | bytes) -> None:
    """Write a file atomically and flush it to the disk. Encode text as UTF-8.

    After an error or a power loss, the old content remains. An `OSError` always names `path`, not
    the temporary file next to it.
    """
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        write_synced(temporary, data)
        move_file(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError) and error.errno is not None:
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise


@contextlib.contextmanager
def temporary_file(folder: Path) -> Iterator[IO[bytes]]:
    """Open a new file in a folder; remove it at the end of the block if it was not moved.

    Close it before you move it: Windows does not move an open file.
    """
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".tmp", delete=False) as file:
        try:
            yield file
        finally:
            file.close()  # Windows moves and removes only closed files
            Path(file.name).unlink(missing_ok=True)


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Create a temporary folder, and rename it to `path` at the end of the block.

    The temporary folder is removed if the block raises. It is also removed if it cannot be renamed,
    for example because another process has created `path` in the meantime.
    """
    temporary = Path(tempfile.mkdtemp(dir=path.parent, suffix=".tmp"))
    try:
        yield temporary
        with contextlib.suppress(OSError):
            temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
