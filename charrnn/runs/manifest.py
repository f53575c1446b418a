"""Files whose changes are detected: listed in a manifest, and verified when they are read.

A manifest holds the size and the SHA-256 of files and its own digest. What is read may come from a
stranger: links are not followed, and no more is read than was expected.
"""

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from charrnn.errors import CheckpointError

MAX_JSON_BYTES = 64 << 20  # bytes: a vocabulary of all Unicode takes a third of it

FileRecord = dict[str, Any]


def file_record(data: bytes) -> FileRecord:
    """Return the record of a file in a manifest: its size and its SHA-256."""
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def with_digest(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a manifest with its own digest."""
    return {**body, "digest": _digest(body)}


def has_valid_digest(manifest: dict[str, Any], data: bytes) -> bool:
    """Whether a manifest, read from `data`, is as it was written."""
    body = {key: value for key, value in manifest.items() if key != "digest"}
    return data == to_json_bytes(manifest) and manifest["digest"] == _digest(body)


def to_json_bytes(record: Mapping[str, Any]) -> bytes:
    """Return a record as it is written to the disk."""
    text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    return text.encode("utf-8", "surrogatepass")  # a file name can be any bytes


def read_json(path: Path, data: bytes | None = None) -> dict[str, Any]:
    """Return the record in a JSON file; raise `CheckpointError` where there is none."""
    if data is None:
        data = read_file(path, MAX_JSON_BYTES)
    try:
        record = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from None
    if not isinstance(record, dict):
        raise CheckpointError(f"{path} is damaged: it holds no record")
    return record


def read_file(path: Path, most: int) -> bytes:
    """Return the bytes of a plain file of at most `most`; raise `CheckpointError`."""
    try:
        # Without O_NONBLOCK, to open a pipe would wait for someone to write into it.
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        with open(os.open(path, flags | getattr(os, "O_BINARY", 0)), "rb") as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode):
                raise CheckpointError(f"{path} is not a plain file: a run holds nothing else")
            if facts.st_size > most:
                raise CheckpointError(
                    f"{path} does not fit: it has {facts.st_size:,} bytes, and at most {most:,} "
                    "belong there"
                )
            return file.read(most)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror})") from None


def read_verified(path: Path, expected: FileRecord, most: int) -> bytes:
    """Return the bytes of a file that is as its manifest says; raise `CheckpointError`."""
    data = read_file(path, most)
    found = file_record(data)
    if found != expected:
        raise CheckpointError(
            f"{path} is damaged: expected SHA-256 {expected['sha256']}, found {found['sha256']}"
        )
    return data


def _digest(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
