"""Send a second Ctrl-C while the handler of the first holds the lock of its event."""

import os
import signal
import threading
from collections.abc import Iterator

from charrnn.console.follow import follow
from charrnn.data.progress import ProgressCallback
from charrnn.training.events import Event


class InterruptedEvent(threading.Event):
    def set(self) -> None:
        with self._cond:  # type: ignore[attr-defined]
            os.kill(os.getpid(), signal.SIGINT)
        super().set()


def events(progress: ProgressCallback, stop: threading.Event) -> Iterator[Event]:
    os.kill(os.getpid(), signal.SIGINT)
    yield from ()


threading.Event = InterruptedEvent  # type: ignore[misc]
follow(events)
