"""Work on a GPU, captured once and replayed: one call starts hundreds of kernels.

A graph reads and writes the same memory each time. Not measured on a GPU.
"""

from collections.abc import Callable

import torch

Work = Callable[[], None]
Capture = Callable[[Work], Work]
"""Does some work as a rehearsal; returns what does the same work on the same memory again."""

_REHEARSALS = 3  # calls in which libraries allocate and choose, as torch.cuda.CUDAGraph advises


def cuda_graph(work: Work) -> Work:
    """Capture work as a CUDA graph; raises `RuntimeError` where something in it cannot be."""
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(_REHEARSALS):
            work()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay
