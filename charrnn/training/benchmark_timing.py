"""Time the contenders of a benchmark in turns, and detect that other programs slow them down."""

import time
from collections.abc import Callable, Mapping

import torch

from charrnn.numerics.cpu import available_cores

LIMIT = "limit float32"
"""The contender that is only large products: all threads compute all the time."""

_MIN_SECONDS = 0.2  # of large products; the CPU time of less says little


class Timing:
    """The seconds of each step of the contenders; each runs once per round.

    A first step of each is not timed, because it compiles functions and allocates memory.
    """

    def __init__(self, contenders: Mapping[str, Callable[[], None]], device: torch.device) -> None:
        self._contenders = contenders
        self._device = device
        self._cpu_seconds = 0.0  # of the products of LIMIT
        self.seconds: dict[str, list[float]] = {name: [] for name in contenders}
        for step in contenders.values():
            step()

    @property
    def rounds(self) -> int:
        """The number of timed steps of each contender."""
        return len(self.seconds[LIMIT])

    def run_round(self) -> None:
        """Time one step of each contender."""
        for name, step in self._contenders.items():
            _synchronize(self._device)
            start, cpu_start = time.perf_counter(), time.process_time()
            step()
            _synchronize(self._device)
            self.seconds[name].append(time.perf_counter() - start)
            if name == LIMIT:
                self._cpu_seconds += time.process_time() - cpu_start

    def cpu_share(self, threads: int) -> float | None:
        """Return the CPU time of large products as a fraction of what `threads` threads can get.

        None on a GPU, or if the products took too little time.
        """
        seconds = sum(self.seconds[LIMIT])
        if self._device.type != "cpu" or seconds < _MIN_SECONDS:
            return None
        return self._cpu_seconds / (seconds * min(threads, available_cores()))


def _synchronize(device: torch.device) -> None:
    """Wait until a GPU has finished its work; do nothing on a CPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
