"""The metrics of a run: `metrics.jsonl`, with one JSON object in each line."""

import json
from pathlib import Path
from typing import Any

from charrnn.files import replace_file, sync_folder, sync_path

TIMING_KEYS = ("characters_per_second", "seconds")
"""The keys that differ between two runs with identical settings."""


def append_row(path: Path, row: dict[str, Any]) -> None:
    """Append one row to the file, and flush the name of a new file to the disk."""
    is_new = not path.exists()
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    if is_new:
        sync_folder(path.parent)


def sync_rows(path: Path) -> None:
    """Flush the rows to the disk, if there are any."""
    if path.exists():
        sync_path(path)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return all rows before the first line that is incomplete, for example after a crash."""
    rows: list[dict[str, Any]] = []
    if path.exists():
        for line in path.read_bytes().splitlines():
            try:
                rows.append(json.loads(line))
            except ValueError:
                break
    return rows


def drop_rows_after(path: Path, step: int) -> None:
    """Remove the rows of steps after `step`, so that a run can resume from there.

    After a power loss, the file has its old rows or the new ones.
    """
    lines = [json.dumps(row) + "\n" for row in read_rows(path) if row["step"] <= step]
    replace_file(path, "".join(lines))
