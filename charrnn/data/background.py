"""A background thread that does pieces of work in order."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

_BEHIND = 4  # pieces of work that wait at most


class BackgroundWorker:
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
