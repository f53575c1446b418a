"""A background thread that does pieces of work in order."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

_MAX_PENDING = 4  # pieces of work that wait at most


class BackgroundWorker:
    """A thread that does work in order, some pieces behind the one that gives it.

    Without that distance the two would take turns: Python hands over its lock after 5 ms only,
    which is longer than a piece takes.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "charrnn-text")
        self._pending: deque[Future[Any]] = deque()

    def submit(self, work: Callable[..., Any], *arguments: Any) -> None:
        """Have a piece of work done; raise what an earlier one raised."""
        if len(self._pending) == _MAX_PENDING:
            self._pending.popleft().result()
        self._pending.append(self._thread.submit(work, *arguments))

    def close(self) -> None:
        """Wait until all is done; raise what a piece of work raised."""
        try:
            for each in self._pending:
                each.result()
        finally:
            self._pending.clear()
            self._thread.shutdown()
