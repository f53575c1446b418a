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


def throttled(progress: ProgressCallback | None) -> ProgressCallback:
    """Return a callback that calls `progress`, if there is one, at most once per chunk."""
    threshold = CHUNK

    def report(reading: Reading) -> None:
        nonlocal threshold
        if progress and reading.done > threshold:
            threshold = reading.done + CHUNK
            progress(reading)

    return report
