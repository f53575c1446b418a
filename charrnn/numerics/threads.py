"""The number of CPU threads that torch uses."""

import torch

from charrnn.numerics.cpu import available_cores


def set_threads(threads: int | None) -> int:
    """Set the number of CPU threads of torch; return the number in use.

    None keeps torch's default (one per core, or OMP_NUM_THREADS), but at most the number of cores
    that the container may use.
    """
    if threads is None:
        threads = min(torch.get_num_threads(), available_cores())
    torch.set_num_threads(threads)
    return threads
