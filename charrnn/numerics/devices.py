"""Choose a device, use its memory, and check that it computes correctly."""

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
    """Return the device `name`; `auto` is cuda if it is available, else cpu.

    Raises `DeviceError` if it is not available.
    """
    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if name == "auto":
        name = "cuda" if available["cuda"] else "cpu"
    if name not in available:
        raise DeviceError(
            f"the device must be auto, {', '.join(available)}, not {name!r}",
            "choose a GPU with the variable CUDA_VISIBLE_DEVICES",
        )
    if not available[name]:
        usable = ", ".join(device for device, is_available in available.items() if is_available)
        raise DeviceError(
            f"the device {name} is not available: the installed torch ({torch.__version__}) finds "
            "no such device",
            f"use one of these devices: {usable}",
        )
    device = torch.device(name)
    if name == "cuda":
        _prepare_cuda()
    if name == "mps" and not computes_lstm_correctly(device):
        warnings.warn(
            f"the installed torch ({torch.__version__}) computes an LSTM incorrectly on mps, so "
            "charrnn uses the CPU",
            DeviceWarning,
            stacklevel=2,
        )
        return torch.device("cpu")
    return device


def _prepare_cuda() -> None:
    """Make an NVIDIA GPU compute in exact float32, with reproducible results.

    cuBLAS needs a fixed workspace for that (its documentation, "Results Reproducibility").
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic = True


@contextlib.contextmanager
def ignore_compaction_warning(device: torch.device) -> Iterator[None]:
    """Ignore torch's warning that the weights of a recurrent layer are not contiguous for cuDNN.

    torch then copies them, which takes little time. Does nothing on other devices.
    """
    if device.type != "cuda":
        yield
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "RNN module weights are not part of single contiguous")
        yield


@functools.cache
def computes_lstm_correctly(device: torch.device) -> bool:
    """Whether a small LSTM has the same outputs and gradients on a device as on the CPU.

    torch's LSTM on mps was wrong in earlier versions, without an error (pytorch issues 90421 and
    92615), also only for initial states other than zeros (pull request 95137).
    """
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(7, 3, 5, generator=generator)
    shapes = [parameter.shape for parameter in torch.nn.LSTM(5, 6).parameters()]
    weights = [0.5 * torch.randn(shape, generator=generator) for shape in shapes]
    states = [torch.randn(1, 3, 6, generator=generator) for _ in range(2)]

    def run_lstm(on: torch.device) -> list[torch.Tensor]:
        leaves = [tensor.to(on).requires_grad_() for tensor in (inputs, *weights)]
        state = [part.to(on) for part in states]
        outputs, *last = torch.lstm(leaves[0], state, leaves[1:], True, 1, 0.0, True, False, False)
        gradients = torch.autograd.grad((outputs * outputs).sum(), leaves)
        return [tensor.detach().cpu() for tensor in (outputs, *last, *gradients)]

    return all(
        torch.allclose(result, expected, rtol=1e-3, atol=1e-4)
        for result, expected in zip(run_lstm(device), run_lstm(torch.device("cpu")), strict=True)
    )


def idle_gpu_advice(device: torch.device, processes: int) -> tuple[str, ...]:
    """Return a sentence on how to use the other GPUs of this machine, if there are any."""
    gpus = torch.cuda.device_count() if device.type == "cuda" else 1
    if processes > 1 or gpus == 1:
        return ()
    return (
        f"this machine has {gpus} GPUs, and this run uses one of them; to use all, start it with "
        f"`torchrun --nproc-per-node={gpus} -m charrnn train ...`",
    )


def free_memory(device: torch.device) -> int:
    """Return the free memory of a GPU in bytes; 0 on other devices, which need no copies."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 0


def copy_if_small(
    codes: NDArray[np.unsignedinteger[Any]], device: torch.device, free: int
) -> torch.Tensor | None:
    """Copy a text to the memory of a device; return None if it needs over a quarter of `free`.

    The copy has 1 byte per character if the codes are uint8, else 4.
    """
    dtype = np.uint8 if codes.dtype == np.uint8 else np.int32
    if codes.size * np.dtype(dtype).itemsize > free // 4:
        return None
    return torch.from_numpy(codes.astype(dtype)).to(device)


def pinned(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Return a CPU tensor in pinned memory; return it unchanged if the device is the CPU."""
    return tensor if device.type == "cpu" or tensor.is_pinned() else tensor.pin_memory()


def copy_async(target: torch.Tensor, source: torch.Tensor) -> None:
    """Start to copy a CPU tensor to a GPU, through pinned memory; do not wait for the copy.

    The caller may delete `source`: torch keeps the pinned memory until the copy is complete.
    """
    target.copy_(pinned(source, target.device), non_blocking=True)
