"""The progress of the work on a large text."""

from collections.abc import Callable
from typing import NamedTuple

CHUNK = 1 << 19  # bytes read at once


class Reading(NamedTuple):
    """How far the work on a large text is, in bytes: `task` says what is done to it."""

    task: str
    done: int
    total: int


ProgressCallback = Callable[[Reading], None]


class ProgressReporter:
    """Calls a progress callback, if there is one, and notes whether the callback failed.

    Code that handles an `OSError` of the network or the disk must pass on one of the callback.
    """

    def __init__(self, progress: ProgressCallback | None) -> None:
        self._progress = progress
        self.failed = False
        """Whether the callback has raised an exception."""

    def __call__(self, reading: Reading) -> None:
        """Report how far the work is."""
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
