from pathlib import Path
from typing import Any

from charrnn.runs.metrics import append_row, drop_rows_after, read_rows


def test_rows_are_read_in_order(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    rows: list[dict[str, Any]] = [
        {"step": 1, "train_loss": 0.1 + 0.2},
        {"step": 2, "train_loss": None},
    ]
    for row in rows:
        append_row(path, row)
    assert read_rows(path) == rows


def test_rows_after_a_step_and_an_incomplete_line_are_removed(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    for step in (10, 20, 30):
        append_row(path, {"step": step})
    with path.open("a") as file:
        file.write('{"step": 4')
    drop_rows_after(path, 20)
    assert path.read_text("utf-8") == '{"step": 10}\n{"step": 20}\n'


def test_rows_end_at_a_line_that_a_power_loss_has_damaged(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    for damage in (b"", b'{"step": 2', b"\0" * 12 + b"\n", b"\xff" * 12 + b"\n"):
        path.write_bytes(b'{"step": 1}\n' + damage + b'{"step": 3}\n' * bool(damage))
        assert read_rows(path) == [{"step": 1}]


def test_a_run_without_rows_has_none(tmp_path: Path) -> None:
    drop_rows_after(tmp_path / "metrics.jsonl", 5)
    assert read_rows(tmp_path / "metrics.jsonl") == []
