"""The manifest of a checkpoint, which detects changed files when they are read.

A manifest contains the size and the SHA-256 of each file, and its own digest. Files may come from
an untrusted source: links are not followed, and no more bytes are read than expected.
"""

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from charrnn.errors import CheckpointError

MAX_JSON_BYTES = 64 << 20  # three times what a vocabulary of all of Unicode needs

FileRecord = dict[str, Any]


def file_record(data: bytes) -> FileRecord:
    """Return the record of a file in a manifest: its size and its SHA-256."""
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def with_digest(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a manifest with its own digest added."""
    return {**body, "digest": _digest(body)}


def has_valid_digest(manifest: dict[str, Any], data: bytes) -> bool:
    """Return whether a manifest that was read from `data` is unchanged since it was written."""
    body = {key: value for key, value in manifest.items() if key != "digest"}
    return data == to_json_bytes(manifest) and manifest["digest"] == _digest(body)


def to_json_bytes(record: Mapping[str, Any]) -> bytes:
    """Return the bytes of a JSON file that contains a record."""
    text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    return text.encode("utf-8", "surrogatepass")  # file names can contain any bytes


def read_json(path: Path, data: bytes | None = None) -> dict[str, Any]:
    """Return the record in a JSON file (or in `data`); raise `CheckpointError` if it is invalid."""
    if data is None:
        data = read_file(path, MAX_JSON_BYTES)
    try:
        record = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from None
    if not isinstance(record, dict):
        raise CheckpointError(f"{path} is damaged: it contains no JSON object")
    return record


def read_file(path: Path, max_bytes: int) -> bytes:
    """Return the bytes of a regular file of at most `max_bytes`; raise `CheckpointError`."""
    try:
        # Without O_NONBLOCK, opening a pipe would block until another process writes to it.
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        with open(os.open(path, flags | getattr(os, "O_BINARY", 0)), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise CheckpointError(
                    f"{path} is not a regular file", "replace it with the original file"
                )
            if status.st_size > max_bytes:
                raise CheckpointError(
                    f"{path} is too large: it has {status.st_size:,} bytes, but at most "
                    f"{max_bytes:,} were expected"
                )
            return file.read(max_bytes)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror})") from None


def read_verified(path: Path, expected: FileRecord, max_bytes: int) -> bytes:
    """Return the bytes of a file; raise `CheckpointError` if they differ from the manifest."""
    data = read_file(path, max_bytes)
    actual = file_record(data)
    if actual != expected:
        raise CheckpointError(
            f"{path} is damaged: expected SHA-256 {expected['sha256']}, found {actual['sha256']}"
        )
    return data


def _digest(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
