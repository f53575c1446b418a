"""Times several functions in turns, so that other load on the machine affects all equally."""

import contextlib
import functools
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

ROUNDS = 7


@contextlib.contextmanager
def busy_process(is_busy: bool = True) -> Iterator[None]:
    """Run an endless loop in another process during the block, if `is_busy`."""
    if not is_busy:
        yield
        return
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        try:
            yield
        finally:
            process.kill()


@contextlib.contextmanager
def replaced(module: Any, **names: Any) -> Iterator[None]:
    """Replace attributes of a module or a class during the block."""
    originals = {name: getattr(module, name) for name in names}
    for name, value in names.items():
        setattr(module, name, value)
    try:
        yield
    finally:
        for name, value in originals.items():
            setattr(module, name, value)


def measure(contenders: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Run the contenders in turns; return the seconds of each contender in each round.

    The first round warms up and is not counted.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for run in contenders.values():
        run()
    for _ in range(rounds):
        for name, run in contenders.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def _run_checked(name: str, run: Callable[[], float], amount: float) -> None:
    processed = run()
    if processed != amount:
        raise RuntimeError(f"{name} processed {processed}, expected {amount}")


def compare(
    title: str, amount: float, contenders: Mapping[str, Callable[[], float]], rounds: int = ROUNDS
) -> None:
    """Run the contenders in turns; print the amount that each one processes per second.

    Each contender must process `amount` and return it. The ratio is the median over rounds of the
    speed of a contender divided by the speed of the first contender in the same round.
    """
    checked = {
        name: functools.partial(_run_checked, name, run, amount) for name, run in contenders.items()
    }
    seconds = measure(checked, rounds)
    speeds = {name: [amount / duration for duration in times] for name, times in seconds.items()}
    print(f"\n{title}")
    first = next(iter(speeds.values()))
    for name, values in speeds.items():
        ratio = statistics.median(speed / other for speed, other in zip(values, first, strict=True))
        print(
            f"  {name:42} {statistics.median(values):12,.2f} per second "
            f"({min(values):,.2f} to {max(values):,.2f}), {ratio:.2f} times the first"
        )
