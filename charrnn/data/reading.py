"""Work on large texts: its progress, and a thread for a part of it."""

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

CHUNK = 1 << 19  # bytes read at once


_BEHIND = 4  # pieces of work that wait at most


Result = TypeVar("Result")


class Reading(NamedTuple):
    """How far the work on a large text is, in bytes: `task` says what is done to it."""

    task: str
    done: int
    total: int


class Behind:
    """A thread that does work in order, some pieces behind the one that gives it.

    Without that distance the two would take turns: Python hands over its lock after 5 ms only,
    which is longer than a piece takes.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "charrnn-text")
        self._waiting: deque[Future[Any]] = deque()

    def do(self, work: Callable[..., Any], *arguments: Any) -> None:
        """Have a piece of work done; raise what an earlier one raised."""
        if len(self._waiting) == _BEHIND:
            self._waiting.popleft().result()
        self._waiting.append(self._thread.submit(work, *arguments))

    def finish(self) -> None:
        """Wait until all is done; raise what a piece of work raised."""
        try:
            for each in self._waiting:
                each.result()
        finally:
            self._waiting.clear()
            self._thread.shutdown()


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
