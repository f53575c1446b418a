"""The precision of matrix products on a device."""

import contextlib
import functools
import platform
from collections.abc import Iterator

import torch

from charrnn.errors import DeviceError


def choose_precision(name: str, device: torch.device, cell: str) -> str:
    """Return the precision `name`; raise `DeviceError` if the device does not support it.

    `auto` is bfloat16 if the device has instructions for it (a GPU, or a CPU for the LSTM), else
    float32. Every CPU supports bfloat16 by name: without such instructions, the LSTM computes in
    float32 and rounds the results to bfloat16.
    """
    on_gpu = device.type == "cuda"
    gpu_bfloat16 = on_gpu and torch.cuda.is_bf16_supported(including_emulation=False)
    if name == "auto":
        cpu_bfloat16 = device.type == "cpu" and cell == "lstm" and has_bfloat16()
        return "bfloat16" if cpu_bfloat16 or gpu_bfloat16 else "float32"
    is_supported = {
        "float32": True,
        "bfloat16": gpu_bfloat16 or device.type == "cpu",
        "float16": on_gpu,
    }
    if not is_supported[name]:
        raise DeviceError(
            f"the precision {name} is not supported on the device {device.type}",
            "use --precision float32",
            "use another device with --device",
        )
    return name


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Return a context in which products are computed in `precision`."""
    dtype: torch.dtype = getattr(torch, precision)
    # No cache of rounded weights: a CUDA graph must round the weights in each replay.
    enabled = dtype != torch.float32
    return torch.autocast(
        device.type, dtype if enabled else None, enabled=enabled, cache_enabled=False
    )


@contextlib.contextmanager
def allow_tf32(device: torch.device) -> Iterator[None]:
    """Let an NVIDIA GPU use TF32, which rounds the factors of float32 products to 19 bits."""
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
    """Whether the CPU has instructions that multiply bfloat16 numbers.

    Checks for AVX-512 BF16, which all CPUs with AMX also have.
    """
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(supported and supported())


def cpu_instructions() -> str:
    """Return the name of the CPU's instructions that decide the speed of products.

    For example AMX, AVX-512 BF16, AVX-512, AVX2 or NEON; `unknown` if torch does not say.
    """
    has_amx = getattr(torch.cpu, "_is_amx_tile_supported", None)
    if has_amx and has_amx():
        return "AMX"
    if has_bfloat16():
        return "AVX-512 BF16"
    capability = torch.backends.cpu.get_cpu_capability()
    if capability == "DEFAULT":
        return "NEON" if platform.machine().lower() in ("arm64", "aarch64") else "unknown"
    return capability.replace("AVX512", "AVX-512")
