"""CPU threads: how many torch uses, and work whose streams are divided among threads."""

import functools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import pairwise
from typing import TypeVar

import torch

from charrnn.numerics.cpu import available_cores

# With fewer streams, the products of a thread take almost as long as for this number.
_MIN_STREAMS = 8

Argument = TypeVar("Argument")
Result = TypeVar("Result")


def set_threads(threads: int | None) -> int:
    """Set the number of CPU threads of torch; return the number in use.

    None keeps torch's default (one per core, or OMP_NUM_THREADS), but at most the number of cores
    that the container may use.
    """
    if threads is None:
        threads = min(torch.get_num_threads(), available_cores())
    torch.set_num_threads(threads)
    return threads


def count_parts(streams: int, min_streams: int = _MIN_STREAMS) -> int:
    """Return into how many parts `map_streams` divides this number of streams."""
    return max(1, min(torch.get_num_threads(), streams // min_streams))


def map_streams(
    work: Callable[[slice], Result], streams: int, min_streams: int = _MIN_STREAMS
) -> list[Result]:
    """Call `work` with slices that together cover all streams; return the results in order.

    Each slice has at least `min_streams` streams and its own thread. The threads divide torch's
    threads among them, and they have the gradient mode and the autocast of the caller. The slices
    depend on the number of torch's threads only, so a sum over the results does not depend on other
    load on the machine. A thread that has finished sleeps: then the system can run a late thread on
    its core. The threads of OpenMP instead wait actively, many times in each step.
    """
    parts = divide_streams(streams, min_streams)
    if len(parts) == 1:
        return [work(parts[0])]
    futures = start_in_threads(work, parts)
    try:
        return [future.result() for future in futures]
    finally:
        wait(futures)  # also after an error: the threads write into memory that is used again


def divide_streams(streams: int, min_streams: int = _MIN_STREAMS) -> list[slice]:
    """Return the slices of `map_streams`."""
    count = count_parts(streams, min_streams)
    bounds = [streams * number // count for number in range(count + 1)]
    return [slice(*bound) for bound in pairwise(bounds)]


def start_in_threads(
    work: Callable[[Argument], Result],
    arguments: Sequence[Argument],
    torch_threads: int | None = None,
) -> list[Future[Result]]:
    """Call `work` with each argument in a thread of its own; do not wait for the results.

    Each thread has `torch_threads` of torch's threads (None: an equal share). Calls with the same
    number of arguments use the same threads, so the argument at a position waits for the call with
    the earlier argument at this position.
    """
    count = len(arguments)
    if torch_threads is None:
        torch_threads = max(1, torch.get_num_threads() // count)
    run = _in_modes_of_caller(work)
    return [
        _thread(number, count, torch_threads).submit(run, argument)
        for number, argument in enumerate(arguments)
    ]


def _in_modes_of_caller(work: Callable[[Argument], Result]) -> Callable[[Argument], Result]:
    """Return `work` with the modes of this thread, which torch keeps for each thread."""
    grad, inference = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
    has_autocast = torch.is_autocast_enabled("cpu")
    dtype = torch.get_autocast_dtype("cpu") if has_autocast else None

    def run(argument: Argument) -> Result:
        with (
            torch.inference_mode(inference),
            torch.set_grad_enabled(grad),
            torch.autocast("cpu", dtype, enabled=has_autocast, cache_enabled=False),
        ):
            return work(argument)

    return run


@functools.cache
def _thread(number: int, count: int, torch_threads: int) -> ThreadPoolExecutor:
    """Return thread `number` of `count`, which uses this number of torch's threads."""
    return make_thread(f"charrnn-{number}-of-{count}", torch_threads)


if hasattr(os, "register_at_fork"):  # the threads of a process do not exist in a forked child
    os.register_at_fork(after_in_child=_thread.cache_clear)


def make_thread(name: str, torch_threads: int) -> ThreadPoolExecutor:
    """Return a new thread that uses this number of torch's threads."""
    before = torch.get_num_threads()

    def initialize() -> None:
        torch.get_num_threads()  # otherwise, the first operation would undo the next line
        torch.set_num_threads(torch_threads)

    thread = ThreadPoolExecutor(1, name, initialize)
    thread.submit(int).result()
    torch.set_num_threads(before)  # `initialize` also changed the default of new threads
    return thread
