"""The clock of a run."""

import time


class Clock:
    """Seconds of training in a run, including the time before a resume."""

    def __init__(self, seconds_before: float) -> None:
        self._start = time.perf_counter() - seconds_before

    def seconds(self) -> float:
        """Return the seconds of training until now."""
        return time.perf_counter() - self._start
