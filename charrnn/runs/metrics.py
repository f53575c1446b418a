"""A run's curves: `metrics.jsonl`, one JSON object a line."""

import json
from pathlib import Path
from typing import Any

from charrnn.files import replace_file

TIMING_KEYS = ("characters_per_second", "seconds")
"""The keys that differ between two runs that are otherwise the same."""


def append_row(path: Path, row: dict[str, Any]) -> None:
    """Add one row at the end."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return every whole row; what follows a line that a crash left unfinished is not read."""
    rows: list[dict[str, Any]] = []
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                rows.append(json.loads(line))
            except ValueError:
                break
    return rows


def drop_rows_after(path: Path, step: int) -> None:
    """Keep the rows up to and including `step`, as a run that goes on from there needs."""
    lines = [json.dumps(row) + "\n" for row in read_rows(path) if row["step"] <= step]
    replace_file(path, "".join(lines))
