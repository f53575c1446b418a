"""The device that computes: its choice, its memory, and a check that it computes correctly."""

import contextlib
import functools
import os
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from charrnn.errors import DeviceError, DeviceWarning


def choose_device(name: str) -> torch.device:
    """Return the device called `name`; `auto` is cuda where there is one, else cpu."""
    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if name == "auto":
        name = "cuda" if available["cuda"] else "cpu"
    if not available[name]:
        usable = ", ".join(device for device, there in available.items() if there)
        raise DeviceError(
            f"--device {name} cannot be used: this torch ({torch.__version__}) finds no such "
            f"device; use one of: {usable}"
        )
    device = torch.device(name)
    if name == "cuda":
        _prepare_cuda()
    if name == "mps" and not computes_lstm_correctly(device):
        warnings.warn(
            f"this torch ({torch.__version__}) computes an LSTM wrongly on mps, so the processor "
            "computes instead",
            DeviceWarning,
            stacklevel=2,
        )
        return torch.device("cpu")
    return device


def _prepare_cuda() -> None:
    """Have an NVIDIA GPU compute float32 exactly, and the same each time.

    cuBLAS needs work space of its own for that (its documentation, "Results Reproducibility").
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic = True


@contextlib.contextmanager
def ignore_compaction_warning(device: torch.device) -> Iterator[None]:
    """Ignore torch's warning that cuDNN needs the weights of a recurrent layer in one block.

    torch then copies them to one, which takes little time. Does nothing on other devices.
    """
    if device.type != "cuda":
        yield
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "RNN module weights are not part of single contiguous")
        yield


@functools.cache
def computes_lstm_correctly(device: torch.device) -> bool:
    """Whether a small LSTM gives on a device what it gives on the processor, gradients too.

    torch's LSTM for mps has been wrong before, without a word (pytorch issues 90421 and 92615), and
    from other states than zeros only (pull request 95137).
    """
    draws = torch.Generator().manual_seed(0)
    inputs = torch.randn(7, 3, 5, generator=draws)
    shapes = [each.shape for each in torch.nn.LSTM(5, 6).parameters()]
    weights = [0.5 * torch.randn(shape, generator=draws) for shape in shapes]
    states = [torch.randn(1, 3, 6, generator=draws) for _ in range(2)]

    def answer(place: torch.device) -> list[torch.Tensor]:
        moved = [each.to(place).requires_grad_() for each in (inputs, *weights)]
        state = [each.to(place) for each in states]
        outputs, *last = torch.lstm(moved[0], state, moved[1:], True, 1, 0.0, True, False, False)
        gradients = torch.autograd.grad((outputs * outputs).sum(), moved)
        return [each.detach().cpu() for each in (outputs, *last, *gradients)]

    return all(
        torch.allclose(found, expected, rtol=1e-3, atol=1e-4)
        for found, expected in zip(answer(device), answer(torch.device("cpu")), strict=True)
    )


def idle_gpu_advice(device: torch.device, processes: int) -> tuple[str, ...]:
    """Return a sentence on how to use the other GPUs of this machine, if there are some."""
    there = torch.cuda.device_count() if device.type == "cuda" else 1
    if processes > 1 or there == 1:
        return ()
    return (
        f"this machine has {there} GPUs, and one of them trains; all do with `torchrun "
        f"--nproc-per-node={there} -m charrnn train ...`",
    )


def free_memory(device: torch.device) -> int:
    """Return the bytes that a GPU has left; none where the processor's memory is as near."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 0


def copy_if_small(
    codes: NDArray[np.unsignedinteger[Any]], device: torch.device, free: int
) -> torch.Tensor | None:
    """Return a copy of a text in a device's own memory; None if it takes over a quarter of `free`.

    A byte a character where that is enough, else four.
    """
    dtype = np.uint8 if codes.dtype == np.uint8 else np.int32
    if codes.size * np.dtype(dtype).itemsize > free // 4:
        return None
    return torch.from_numpy(codes.astype(dtype)).to(device)


def pinned(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Return a tensor of the CPU in memory that a GPU can read by itself; on a CPU, the tensor."""
    return tensor if device.type == "cpu" or tensor.is_pinned() else tensor.pin_memory()


def copy_async(target: torch.Tensor, source: torch.Tensor) -> None:
    """Start to copy a tensor of the CPU to a GPU, through pinned memory and without waiting.

    The caller may drop `source`: torch keeps pinned memory until it has been copied.
    """
    target.copy_(pinned(source, target.device), non_blocking=True)
