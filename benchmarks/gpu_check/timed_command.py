"""Run `charrnn` and report the time of each part of training.

    python -m gpu_check.timed_command FILE train TEXT ...

FILE receives the seconds of each kind of event as JSON. The environment variable GPU_CHECK_START is
the time at which the process was started, from `time.monotonic()`.
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
    """The seconds until each event, by kind; `display` is the time that the command uses."""

    def __init__(self, start: float) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._last = start

    def add(self, kind: str) -> None:
        """Add the time since the last call to a kind."""
        now = time.monotonic()
        self.seconds[kind] += now - self._last
        self._last = now

    def wrap(self, train: Callable[..., Iterator[Event]]) -> Callable[..., Iterator[Event]]:
        """Return a `train` function that times its events."""

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
    loop.train = timer.wrap(loop.train)
    try:
        command()
    finally:
        timer.add("end")
        path.write_text(json.dumps(timer.seconds), "utf-8")


if __name__ == "__main__":
    main()
