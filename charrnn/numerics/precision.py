"""The precision in which a device computes products."""

import contextlib
import functools
from collections.abc import Iterator

import torch

from charrnn.errors import DeviceError


def choose_precision(name: str, device: torch.device, cell: str) -> str:
    """Return the precision called `name`; raise `DeviceError` where the device does not serve it.

    `auto` is bfloat16 where there are instructions for it: on a GPU, and on a processor for the
    lstm; else float32. Asked for by name, any processor serves bfloat16: without such instructions
    the lstm is computed in float32 and rounded as they would.
    """
    on_gpu = device.type == "cuda"
    gpu_bfloat16 = on_gpu and torch.cuda.is_bf16_supported(including_emulation=False)
    if name == "auto":
        on_processor = device.type == "cpu" and cell == "lstm" and has_bfloat16()
        return "bfloat16" if on_processor or gpu_bfloat16 else "float32"
    served = {"float32": True, "bfloat16": gpu_bfloat16 or device.type == "cpu", "float16": on_gpu}
    if not served[name]:
        raise DeviceError(
            f"--precision {name} cannot be used: the device {device.type} does not compute in "
            "it; use --precision float32"
        )
    return name


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Return the context in which products are computed in `precision`."""
    dtype: torch.dtype = getattr(torch, precision)
    # No cache of rounded weights: a CUDA graph must round them anew each time it is replayed.
    enabled = dtype != torch.float32
    return torch.autocast(
        device.type, dtype if enabled else None, enabled=enabled, cache_enabled=False
    )


@contextlib.contextmanager
def allow_tf32(device: torch.device) -> Iterator[None]:
    """Let an NVIDIA GPU round the factors of float32 products to 19 bits (TF32), for training."""
    if device.type != "cuda":
        yield
        return
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = True
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


@functools.cache
def has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 numbers with instructions of its own.

    Looks for AVX-512 BF16, which every processor with AMX has too.
    """
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(supported and supported())
