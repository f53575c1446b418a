"""Capture work on a GPU as a CUDA graph: one call then starts hundreds of kernels.

A graph reads and writes the same memory at each replay.
"""

import contextlib
import functools
import gc
import warnings
from collections.abc import Callable

import torch

from charrnn.errors import DeviceWarning

Work = Callable[[], None]
Capture = Callable[[Work], Work]
"""Runs work as a warm-up; returns a function that repeats it on the same memory.

Raises `CaptureError`.
"""

_WARM_UP_CALLS = 3  # in which libraries allocate memory and choose kernels; see torch.cuda.graph
_discarded: list[torch.cuda.CUDAGraph] = []
"""Graphs whose capture failed. torch's allocators may refer to them until the process ends."""


class CaptureError(RuntimeError):
    """Work cannot be captured as a CUDA graph; the message is the reason."""


def cuda_graph(work: Work) -> Work:
    """Capture work as a CUDA graph.

    The result holds a reference to `work`. The graph has only the addresses of the tensors that
    `work` refers to, so these tensors must not be freed. Raises `CaptureError` for work that cannot
    be captured, and `torch.OutOfMemoryError`.
    """
    try:
        _warm_up(work)
        graph = _capture(work)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise CaptureError(str(error).partition("\n")[0]) from error
    return functools.partial(_replay, graph, work)


def _replay(graph: torch.cuda.CUDAGraph, _work: Work) -> None:
    graph.replay()


def graph_or_eager(work: Work, name: str, capture: Capture = cuda_graph) -> Work:
    """Capture work as a CUDA graph; if that fails, warn, and return the work itself.

    The warning calls the work `name`. Raises `torch.OutOfMemoryError`.
    """
    try:
        return capture(work)
    except CaptureError as error:
        warn_not_captured(name, error)
        return work


def warn_not_captured(name: str, error: CaptureError) -> None:
    """Warn that the work called `name` is computed without a CUDA graph."""
    warnings.warn(
        f"{name} cannot be captured as a CUDA graph ({error}), so its kernels are started one by "
        "one, which is slower",
        DeviceWarning,
        stacklevel=3,
    )


@functools.cache
def _side_stream(device: int) -> torch.cuda.Stream:
    """Return the stream of all warm-ups and captures; cuBLAS has a workspace for each stream."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def _warm_up(work: Work) -> None:
    stream, side = torch.cuda.current_stream(), _side_stream(torch.cuda.current_device())
    side.wait_stream(stream)
    try:
        with torch.cuda.stream(side):
            for _ in range(_WARM_UP_CALLS):
                work()
    finally:
        stream.wait_stream(side)


def _capture(work: Work) -> torch.cuda.CUDAGraph:
    """Capture work. After an error, the current stream and the memory pools are as before.

    `torch.cuda.graph` restores neither if the end of the capture raises. During the capture, only
    this thread is restricted: other threads may allocate pinned memory.
    """
    torch.cuda.synchronize()
    gc.collect()  # frees graphs that are no longer used; they are in reference cycles
    torch.cuda.empty_cache()
    graph, pool = torch.cuda.CUDAGraph(), torch.cuda.graph_pool_handle()
    with torch.cuda.stream(_side_stream(torch.cuda.current_device())):
        try:
            graph.capture_begin(pool=pool, capture_error_mode="thread_local")
            work()
            graph.capture_end()
        except BaseException:
            _discard(graph, pool)
            raise
    return graph


def _discard(graph: torch.cuda.CUDAGraph, pool: tuple[int, int]) -> None:
    """End a capture that failed, and release its memory."""
    device = torch.cuda.current_device()
    with contextlib.suppress(RuntimeError):
        graph.capture_end()
    with contextlib.suppress(RuntimeError):  # unless `capture_end` has done this
        torch._C._cuda_endAllocateToPool(device, pool)
        torch._C._cuda_releasePool(device, pool)
    with contextlib.suppress(RuntimeError):
        graph.reset()
    _discarded.append(graph)
