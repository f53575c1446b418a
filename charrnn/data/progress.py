"""Progress reports for tasks on a large text."""

from collections.abc import Callable
from typing import NamedTuple

CHUNK = 1 << 19  # bytes of one read


class Reading(NamedTuple):
    """The progress of a task on a large text, in bytes or in the characters that are read.

    `task` names the task for the user.
    """

    task: str
    done: int
    total: int


ProgressCallback = Callable[[Reading], None]


class ProgressReporter:
    """Calls a progress callback, if there is one, and records whether the callback failed.

    An `OSError` of the callback must not be handled as one of the network or the disk.
    """

    def __init__(self, progress: ProgressCallback | None) -> None:
        self._progress = progress
        self.failed = False
        """Whether the callback has raised an exception."""

    def __call__(self, reading: Reading) -> None:
        """Report the progress."""
        if self._progress:
            try:
                self._progress(reading)
            except BaseException:
                self.failed = True
                raise


def throttled(progress: ProgressCallback | None) -> ProgressCallback:
    """Return a callback that calls `progress`, if there is one, at most once per chunk."""
    threshold = CHUNK

    def report(reading: Reading) -> None:
        nonlocal threshold
        if progress and reading.done > threshold:
            threshold = reading.done + CHUNK
            progress(reading)

    return report
