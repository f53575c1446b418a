"""Successful and failed captures. Without a GPU, a fake replaces `torch.cuda`."""

import contextlib
import functools
import gc
import weakref
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from charrnn.errors import DeviceWarning
from charrnn.numerics import cuda_graph as module
from charrnn.numerics.cuda_graph import CaptureError, Work, cuda_graph, graph_or_eager
from charrnn.numerics.nvrtc import CudaError

FORBIDDEN = RuntimeError("operation not permitted when stream is capturing\nCompile with ...")
INVALIDATED = RuntimeError("operation failed due to a previous error during capture")
NO_MEMORY = torch.OutOfMemoryError("CUDA out of memory")


class FakeGpu:
    """The current stream and the captures of a GPU."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "_side_stream", functools.cache(FakeStream))
        self.current: Any = FakeStream()
        self.capturing: Any = None
        self.pools: set[tuple[int, int]] = set()
        """Pools that allocations go to."""
        self.used: set[tuple[int, int]] = set()
        """Pools whose memory is in use."""
        self.end_error: RuntimeError | None = None
        fakes = {
            "Stream": FakeStream,
            "CUDAGraph": lambda: FakeGraph(self),
            "current_stream": lambda: self.current,
            "stream": self.stream,
            "synchronize": lambda: None,
            "empty_cache": lambda: None,
            "current_device": lambda: 0,
            "graph_pool_handle": lambda: (0, 1),
        }
        for name, fake in fakes.items():
            monkeypatch.setattr(torch.cuda, name, fake)
        monkeypatch.setattr(torch._C, "_cuda_endAllocateToPool", self.end_pool)
        monkeypatch.setattr(torch._C, "_cuda_releasePool", lambda device, pool: self.release(pool))

    @contextlib.contextmanager
    def stream(self, stream: Any) -> Iterator[None]:
        before, self.current = self.current, stream
        try:
            yield
        finally:
            self.current = before

    def end_pool(self, device: int, pool: tuple[int, int]) -> None:
        if pool not in self.pools:
            raise RuntimeError("endAllocatePool: not currently recording to mempool_id")
        self.pools.remove(pool)

    def release(self, pool: tuple[int, int]) -> None:
        self.used.remove(pool)


class FakeStream:
    def __init__(self, device: int = 0) -> None:
        self.waits_for: list[Any] = []

    def wait_stream(self, other: Any) -> None:
        self.waits_for.append(other)


class FakeGraph:
    """A graph that ends captures like torch: after an error, the pool is still in use."""

    def __init__(self, gpu: FakeGpu) -> None:
        self.gpu, self.pool, self.ended = gpu, (0, 0), False

    def capture_begin(self, pool: tuple[int, int], capture_error_mode: str) -> None:
        assert capture_error_mode == "thread_local"
        self.pool = pool
        self.gpu.pools.add(pool)
        self.gpu.used.add(pool)
        self.gpu.capturing = self

    def capture_end(self) -> None:
        if self.gpu.capturing is not self:
            raise RuntimeError("the stream does not capture")
        self.gpu.capturing = None
        if self.gpu.end_error is not None:
            raise self.gpu.end_error
        self.gpu.pools.remove(self.pool)
        self.ended = True

    def reset(self) -> None:
        if self.ended:
            self.gpu.release(self.pool)
        self.ended = False

    def replay(self) -> None:
        assert self.ended


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> FakeGpu:
    return FakeGpu(monkeypatch)


def failing_work(
    gpu: FakeGpu, error: BaseException, call: int, end: RuntimeError | None = None
) -> Work:
    """Return work that raises an error at a call; the fourth call is the capture."""
    calls = iter(range(1, 5))
    gpu.end_error = end

    def work() -> None:
        if next(calls) == call:
            raise error

    return work


def test_a_graph_holds_a_reference_to_the_tensors_of_its_work(gpu: FakeGpu) -> None:
    tensor = torch.zeros(1)
    reference = weakref.ref(tensor)

    def work(tensor: torch.Tensor = tensor) -> None:
        tensor.add_(1)

    replay = cuda_graph(work)
    del tensor, work
    gc.collect()
    assert reference() is not None
    del replay
    gc.collect()
    assert reference() is None


@pytest.mark.parametrize("call", [1, 3, 4])
@pytest.mark.parametrize("end", [None, INVALIDATED])
@pytest.mark.parametrize(
    ("error", "raised", "reason"),
    [
        (FORBIDDEN, CaptureError, "^operation not permitted when stream is capturing$"),
        (CudaError("cuLaunchKernel: no image (209)"), CaptureError, r"^cuLaunchKernel: no image"),
        (NO_MEMORY, torch.OutOfMemoryError, "out of memory"),
        (KeyboardInterrupt("stopped"), KeyboardInterrupt, "stopped"),
    ],
)
def test_a_failed_capture_leaves_streams_and_memory_as_they_were(
    gpu: FakeGpu,
    call: int,
    end: RuntimeError | None,
    error: BaseException,
    raised: type[BaseException],
    reason: str,
) -> None:
    stream = gpu.current
    with pytest.raises(raised, match=reason) as caught:
        cuda_graph(failing_work(gpu, error, call, end))
    assert caught.type is raised
    assert gpu.current is stream
    assert gpu.capturing is None
    assert not gpu.pools
    assert not gpu.used
    assert len(stream.waits_for) == 1  # for the warm-up calls


def test_an_error_at_the_end_of_a_capture_is_a_capture_error(gpu: FakeGpu) -> None:
    stream = gpu.current
    with pytest.raises(CaptureError, match=r"^operation failed due to a previous error"):
        cuda_graph(failing_work(gpu, FORBIDDEN, 5, end=INVALIDATED))
    assert gpu.current is stream
    assert not gpu.pools
    assert not gpu.used


def test_a_successful_capture_keeps_its_memory(gpu: FakeGpu) -> None:
    calls: list[Any] = []
    stream = gpu.current
    replay = cuda_graph(lambda: calls.append((gpu.current, gpu.capturing)))
    replay()
    assert gpu.current is stream
    assert [capturing is not None for _, capturing in calls] == [False, False, False, True]
    assert all(current is not stream for current, _ in calls)
    assert not gpu.pools
    assert len(gpu.used) == 1


def test_work_that_cannot_be_captured_is_returned_with_a_warning() -> None:
    def refuse(work: Work) -> Work:
        raise CaptureError("operation not permitted")

    work: Work = SimpleNamespace  # type: ignore[assignment]
    with pytest.warns(DeviceWarning, match="^a step cannot be captured .*operation not permitted"):
        assert graph_or_eager(work, "a step", refuse) is work
    assert graph_or_eager(work, "a step", lambda work: work) is work


@pytest.mark.gpu
def test_a_captured_graph_repeats_its_work() -> None:
    counter = torch.zeros((), device="cuda")

    def work() -> None:
        counter.add_(1)

    replay = cuda_graph(work)
    before = counter.item()
    replay()
    assert counter.item() == before + 1


@pytest.mark.gpu
def test_a_gpu_computes_and_captures_after_a_failed_capture() -> None:
    counter = torch.zeros((), device="cuda")
    stream = torch.cuda.current_stream()

    def work() -> None:
        counter.add_(1)

    def wait() -> None:
        counter.item()

    with pytest.raises(CaptureError):
        cuda_graph(wait)
    assert torch.cuda.current_stream() == stream
    torch.cuda.empty_cache()
    before = counter.item()
    cuda_graph(work)()
    assert counter.item() == before + 4
