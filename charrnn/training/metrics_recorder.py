"""Writes the rows of metrics.jsonl."""

from pathlib import Path
from typing import Any

from charrnn.runs import metrics
from charrnn.runs.progress import Progress

_MIN_SECONDS = 1e-9  # keeps the speed finite if the clock did not advance


class MetricsRecorder:
    """Measure the speed since the last row, and write rows.

    Only the process of rank zero writes rows (`is_writer`); the others measure the speed.
    """

    def __init__(self, path: Path, is_writer: bool) -> None:
        self._path = path
        self._is_writer = is_writer
        self.reset()

    def reset(self) -> None:
        """Discard the measurements since the last row."""
        self._characters, self._seconds = 0, 0.0

    def add_step(self, characters: int, seconds: float) -> float:
        """Count a step; return the speed since the last row, in characters per second."""
        self._characters += characters
        self._seconds += max(_MIN_SECONDS, seconds)
        return self._characters / self._seconds

    def write_row(self, progress: Progress, preview: str | None = None) -> None:
        """Write the row of this step, with the preview if the step was evaluated."""
        speed = round(self._characters / self._seconds, 1) if self._seconds else None
        row: dict[str, Any] = {
            "step": progress.step,
            "epoch": progress.epoch,
            "train_loss": progress.mean_loss,
            "val_loss": progress.val_loss,
            "learning_rate": progress.learning_rate,
            "characters_per_second": speed,
            "seconds": round(progress.seconds, 3),
        }
        if preview is not None:
            row["preview"] = preview
        if self._is_writer:
            metrics.append_row(self._path, row)
        self.reset()

    def sync_rows(self) -> None:
        """Flush the rows to the disk, so that a checkpoint that is saved next has its rows."""
        if self._is_writer:
            metrics.sync_rows(self._path)

    def drop_rows_after(self, step: int) -> None:
        """Remove the rows of later steps, which will be repeated."""
        if self._is_writer:
            metrics.drop_rows_after(self._path, step)
