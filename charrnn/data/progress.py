"""The progress of the work on a large text."""

import contextlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

CHUNK = 1 << 19  # bytes read at once


class Reading(NamedTuple):
    """How far the work on a large text is, in bytes: `task` says what is done to it."""

    task: str
    done: int
    total: int


ProgressCallback = Callable[[Reading], None]


class _CallbackError(Exception):
    """An exception of a callback, on its way through code that handles its own errors."""


@contextlib.contextmanager
def errors_passed_on(progress: ProgressCallback | None) -> Iterator[ProgressCallback | None]:
    """Yield a callback whose exceptions leave the block unchanged, whatever the block handles.

    Without this, an `OSError` of the callback would be taken for one of the network or the disk.
    """

    def report(reading: Reading) -> None:
        if progress:
            try:
                progress(reading)
            except Exception as error:
                raise _CallbackError from error

    try:
        yield report if progress else None
    except _CallbackError as wrapper:
        if wrapper.__cause__ is not None:
            raise wrapper.__cause__ from None
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
