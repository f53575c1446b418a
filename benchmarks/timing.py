"""Contenders that take turns, so that other load affects all of them alike."""

import contextlib
import functools
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

ROUNDS = 7


@contextlib.contextmanager
def replaced(module: Any, **names: Any) -> Iterator[None]:
    """Replace attributes of a module or a class in a block."""
    before = {name: getattr(module, name) for name in names}
    for name, value in names.items():
        setattr(module, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(module, name, value)


def measure(contenders: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Time contenders in turns; return the seconds of each in every round.

    A round before the first one is not counted.
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


def _checked(name: str, run: Callable[[], float], amount: float) -> None:
    done = run()
    if done != amount:
        raise RuntimeError(f"{name} did {done}, not {amount}")


def compare(
    title: str, amount: float, contenders: Mapping[str, Callable[[], float]], rounds: int = ROUNDS
) -> None:
    """Time contenders in turns; print how much of `amount` each does in a second.

    A contender returns how much it has processed, which must be `amount`. The ratio is the median
    over the rounds of its speed divided by that of the first contender in the same round.
    """
    checked = {
        name: functools.partial(_checked, name, run, amount) for name, run in contenders.items()
    }
    seconds = measure(checked, rounds)
    speeds = {name: [amount / each for each in times] for name, times in seconds.items()}
    print(f"\n{title}")
    first = next(iter(speeds.values()))
    for name, own in speeds.items():
        ratio = statistics.median(speed / other for speed, other in zip(own, first, strict=True))
        print(
            f"  {name:42} {statistics.median(own):12,.2f} a second "
            f"({min(own):,.2f} to {max(own):,.2f}), {ratio:.2f} times the first"
        )
