"""The training time of a run, and the time of a step."""

import math
import statistics
import time
from collections import deque

_NUM_RECENT = 20  # steps, or calls with several steps


class Clock:
    """Measures the training time of a run, including the time before a resume."""

    def __init__(self, seconds_before: float) -> None:
        self._start = time.perf_counter() - seconds_before

    def seconds(self) -> float:
        """Return the training time so far, in seconds."""
        return time.perf_counter() - self._start


class MeanStepTime:
    """The mean time of the steps of this process, with evaluations and saves, without the first.

    The first step also compiles functions. Steps before a resume do not count, because another
    machine may have taken them.
    """

    def __init__(self) -> None:
        self._start: float | None = None
        self._count = 0

    def add(self, seconds: float) -> float:
        """Add a step that ended at this time of the run; return the mean, infinite at first."""
        if self._start is None:
            self._start = seconds
            return math.inf
        self._count += 1
        return (seconds - self._start) / self._count


class StepTimer:
    """Estimates the time of a step from the recent ones.

    The estimate ignores the first time: the first step also compiles functions and allocates
    memory.
    """

    def __init__(self) -> None:
        self.last_seconds = math.inf
        """The time that was added last; infinite if there is none."""
        self._recent = deque[float](maxlen=_NUM_RECENT)

    def add(self, seconds: float) -> None:
        """Add the time of a step."""
        if self.last_seconds < math.inf:
            self._recent.append(seconds)
        self.last_seconds = seconds

    @property
    def step_seconds(self) -> float:
        """The median of the recent times; infinite if there are none."""
        return statistics.median(self._recent) if self._recent else math.inf
