"""Divide the streams of a layer among threads. Each thread runs all time steps of its streams."""

import functools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import pairwise

import torch

# With fewer streams per thread, smaller products and waiting for Python's global lock cost more
# time than parallel gates save. Measured on two AVX2 cores.
MIN_STREAMS_PER_THREAD = 32


def max_streams_per_thread(streams: int) -> int:
    """Return the largest number of streams that one thread processes."""
    return -(-streams // _count_threads(streams))


def run_in_threads(run: Callable[[slice], None], streams: int) -> None:
    """Call `run` with slices that together cover all streams, each in its own thread.

    There are as many threads as have `MIN_STREAMS_PER_THREAD` streams. They divide torch's threads
    among them.
    """
    count = _count_threads(streams)
    if count == 1:
        run(slice(0, streams))
        return
    bounds = [streams * number // count for number in range(count + 1)]
    pool = _thread_pool(count, torch.get_num_threads())
    futures = [pool.submit(run, slice(*shard)) for shard in pairwise(bounds)]
    try:
        for future in futures:
            future.result()
    finally:
        wait(futures)  # also after an interrupt: the threads write into buffers that are reused


def _count_threads(streams: int) -> int:
    return max(1, min(torch.get_num_threads(), streams // MIN_STREAMS_PER_THREAD))


@functools.lru_cache(maxsize=1)
def _thread_pool(count: int, torch_threads: int) -> ThreadPoolExecutor:
    all_started = threading.Barrier(count)

    def initialize() -> None:
        torch.get_num_threads()  # otherwise the first parallel operation resets the number
        torch.set_num_threads(max(1, torch_threads // count))
        torch.set_grad_enabled(False)
        all_started.wait()

    pool = ThreadPoolExecutor(count, "charrnn", initialize)
    wait([pool.submit(int) for _ in range(count)])
    torch.set_num_threads(torch_threads)  # `initialize` also changed the default of new threads
    return pool
