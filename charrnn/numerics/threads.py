"""The number of processor threads that torch uses."""

import torch

from charrnn.numerics.processor import available_cores


def set_threads(threads: int | None) -> int:
    """Let torch use this many processor threads; return the number in use.

    None: as torch chooses, which is one for each core unless OMP_NUM_THREADS says otherwise, but no
    more than a container is allowed to keep busy.
    """
    if threads is None:
        threads = min(torch.get_num_threads(), available_cores())
    torch.set_num_threads(threads)
    return threads
