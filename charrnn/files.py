"""Files: written to the disk, or replaced as a whole; and those that come with charrnn."""

import os
from pathlib import Path

_PACKAGE = Path(__file__).parent


def installed_folder(name: str) -> Path:
    """Return a folder that comes with charrnn: in the installed package, or beside a checkout's."""
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name


def write_synced(path: Path, data: bytes) -> None:
    """Write a file; when this returns, the data is on the disk and not only in its cache."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Write the names of the files in a folder to the disk."""
    if os.name == "nt":  # Windows cannot open a folder
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, content: str | bytes) -> None:
    """Write a file completely, or leave what was there before; text is written as UTF-8.

    The data is not synced to the disk.
    """
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
