"""The training time of a run."""

import time


class Clock:
    """Measures the training time of a run, including the time before a resume."""

    def __init__(self, seconds_before: float) -> None:
        self._start = time.perf_counter() - seconds_before

    def seconds(self) -> float:
        """Return the training time so far, in seconds."""
        return time.perf_counter() - self._start
