"""A second thread that takes part in the work of a compiled loop."""

import threading
import weakref
from collections.abc import Callable


class HelperThread:
    """A daemon thread that calls a function each time it is woken. It ends with its owner.

    The function must not refer to the owner.
    """

    def __init__(self, owner: object, run: Callable[[], object], name: str) -> None:
        self._wake, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(
            target=_call_when_woken, args=(run, self._wake, self._stop), name=name, daemon=True
        )
        weakref.finalize(owner, _end, self._wake, self._stop)

    def wake(self) -> None:
        """Let the thread call the function, once more if the call has not ended."""
        if self._thread.ident is None:
            self._thread.start()
        self._wake.set()


def _call_when_woken(
    run: Callable[[], object], wake: threading.Event, stop: threading.Event
) -> None:
    while True:
        wake.wait()
        wake.clear()
        if stop.is_set():
            return
        run()


def _end(wake: threading.Event, stop: threading.Event) -> None:
    stop.set()
    wake.set()
