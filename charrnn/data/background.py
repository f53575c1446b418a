"""A background thread that runs tasks in order."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

_MAX_PENDING = 4  # tasks that may wait for the thread


class BackgroundWorker:
    """A thread that runs tasks in order, a few tasks behind the thread that submits them.

    Several tasks can be pending. If the submitting thread waited for each task, the two threads
    would alternate: Python switches threads only every 5 ms, and a task takes less time.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "charrnn-text")
        self._pending: deque[Future[Any]] = deque()

    def submit(self, task: Callable[..., Any], *arguments: Any) -> None:
        """Run a task in the background; raise the exception of an earlier task, if any."""
        if len(self._pending) == _MAX_PENDING:
            self._pending.popleft().result()
        self._pending.append(self._thread.submit(task, *arguments))

    def close(self) -> None:
        """Wait for all tasks and stop the thread; raise the exception of a task, if any."""
        try:
            for future in self._pending:
                future.result()
        finally:
            self._pending.clear()
            self._thread.shutdown()
