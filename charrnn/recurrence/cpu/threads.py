"""Dealing the streams of a layer out to threads, each of which goes through time alone."""

import functools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import pairwise

import torch

# Streams a thread needs to gain: measured on two AVX2 cores, where products of fewer rows and the
# turns at Python's lock cost more than the gates done side by side save.
FEWEST_STREAMS = 32


def largest_share(streams: int) -> int:
    """Return how many streams a thread gets at most."""
    return -(-streams // _groups(streams))


def deal_out(run: Callable[[slice], None], streams: int) -> None:
    """Call `run` on all streams, in equal shares on as many threads as have enough to do.

    The threads divide torch's number of threads between them.
    """
    groups = _groups(streams)
    if groups == 1:
        run(slice(0, streams))
        return
    bounds = [streams * group // groups for group in range(groups + 1)]
    workers = _workers(groups, torch.get_num_threads())
    futures = [workers.submit(run, slice(*share)) for share in pairwise(bounds)]
    try:
        for future in futures:
            future.result()
    finally:
        wait(futures)  # after an interrupt too: they write into buffers that are lent again


def _groups(streams: int) -> int:
    return max(1, min(torch.get_num_threads(), streams // FEWEST_STREAMS))


@functools.lru_cache(maxsize=1)
def _workers(groups: int, threads: int) -> ThreadPoolExecutor:
    all_there = threading.Barrier(groups)

    def start() -> None:
        torch.set_num_threads(max(1, threads // groups))
        torch.set_grad_enabled(False)
        all_there.wait()

    workers = ThreadPoolExecutor(groups, "charrnn", start)
    wait([workers.submit(int) for _ in range(groups)])
    torch.set_num_threads(threads)  # what `start` set is also what threads of others begin with
    return workers
