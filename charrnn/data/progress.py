"""The progress of the work on a large text."""

from collections.abc import Generator
from typing import NamedTuple, TypeVar

CHUNK = 1 << 19  # bytes read at once

Result = TypeVar("Result")


class Reading(NamedTuple):
    """How far the work on a large text is, in bytes: `task` says what is done to it."""

    task: str
    done: int
    total: int


def now_and_then(work: Generator[Reading, None, Result]) -> Generator[Reading, None, Result]:
    """Pass on what is told of a work, once for each chunk that is done."""
    told = CHUNK
    while True:
        try:
            reading = next(work)
        except StopIteration as end:
            result: Result = end.value
            return result
        if reading.done > told:
            told = reading.done + CHUNK
            yield reading


def result_of(work: Generator[Reading, None, Result]) -> Result:
    """Do a work to its end without telling."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: Result = end.value
            return result
