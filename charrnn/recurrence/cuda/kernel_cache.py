"""Compiled kernels in the user's cache, and whether they passed the check.

CACHE/kernels/<key>.cubin     the SHA-256 of the machine code, then the machine code
CACHE/kernels/<key>.checked   the SHA-256 of the machine code that passed the check

A damaged file is treated as missing. If the cache cannot be written, nothing is stored.
"""

import contextlib
import hashlib
from pathlib import Path

from charrnn.files import cache_folder, temporary_file

_DIGEST_BYTES = 32  # of a SHA-256


def read_code(key: str) -> bytes | None:
    """Return the machine code that is stored under a key; None if it is missing or damaged."""
    data = _read(_path(key, "cubin"))
    digest, code = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
    return code if code and digest == _digest(code) else None


def write_code(key: str, code: bytes) -> None:
    """Store machine code under a key; replace what was stored."""
    _write(_path(key, "cubin"), _digest(code) + code)


def is_correct(key: str) -> bool:
    """Whether the machine code that is stored under a key passed the check."""
    code = read_code(key)
    return code is not None and _read(_path(key, "checked")) == _digest(code)


def mark_correct(key: str) -> None:
    """Record that the machine code under a key passed the check, if it is stored."""
    code = read_code(key)
    if code is not None:
        _write(_path(key, "checked"), _digest(code))


def forget(key: str) -> None:
    """Remove the machine code under a key, and its record."""
    for suffix in ("checked", "cubin"):
        with contextlib.suppress(OSError):
            _path(key, suffix).unlink()


def _path(key: str, suffix: str) -> Path:
    return cache_folder() / "kernels" / f"{key}.{suffix}"


def _digest(code: bytes) -> bytes:
    return hashlib.sha256(code).digest()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _write(path: Path, data: bytes) -> None:
    with contextlib.suppress(OSError):  # the kernel is then compiled and checked again
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary_file(path.parent) as file:
            file.write(data)
            file.close()
            Path(file.name).replace(path)
