"""`charrnn` with a report of where the time of its training goes.

    python -m gpu_check.timed_command FILE train TEXT ...

FILE receives the seconds by kind as JSON. The environment variable START is the time at which the
process was started, as `time.monotonic()` gives it.
"""

import functools
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from charrnn.__main__ import main as command
from charrnn.training import loop
from charrnn.training.events import Event

START = "GPU_CHECK_START"
_KINDS = {"Started": "start", "Step": "steps", "Evaluated": "evaluations", "Saved": "saves"}


class Timer:
    """The seconds until each event, by kind; `display` is the time between events."""

    def __init__(self, start: float) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._last = start

    def add(self, kind: str) -> None:
        """Count the time since the last call as time of a kind."""
        now = time.monotonic()
        self.seconds[kind] += now - self._last
        self._last = now

    def timed(self, train: Callable[..., Iterator[Event]]) -> Callable[..., Iterator[Event]]:
        """Return `train` with its events timed."""

        @functools.wraps(train)
        def events(*arguments: Any, **settings: Any) -> Iterator[Event]:
            for event in train(*arguments, **settings):
                self.add(_KINDS.get(type(event).__name__, "other events"))
                yield event
                self.add("display")

        return events


def main() -> None:
    """Run the command; write the seconds."""
    path, timer = Path(sys.argv[1]), Timer(float(os.environ[START]))
    sys.argv[:2] = ["charrnn"]
    loop.train = timer.timed(loop.train)
    try:
        command()
    finally:
        timer.add("end")
        path.write_text(json.dumps(timer.seconds), "utf-8")


if __name__ == "__main__":
    main()
