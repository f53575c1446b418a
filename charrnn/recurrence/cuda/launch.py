"""Compile the kernels or read them from the cache, load them on a GPU, and launch them."""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from charrnn.numerics import nvrtc
from charrnn.numerics.nvrtc import Kernels, compile_source, find_architecture
from charrnn.recurrence.cuda import kernel_cache, wavefront
from charrnn.recurrence.cuda.wavefront import Plan, addresses

_SOURCES = ("chip.cu", "slice.cu", "forward.cu", "backward.cu")
_DRIVER = Path("/proc/driver/nvidia/version")


def launch_kernel(kernel: str, plan: Plan, fields: Sequence[Tensor | int | None]) -> None:
    """Launch the kernel `forward` or `backward`; see `wavefront.Launch`. Raises `CudaError`."""
    device = next(field.device for field in fields if isinstance(field, Tensor))
    kernels = _load(plan, device)
    with torch.cuda.device(device):
        stream = torch.cuda.current_stream().cuda_stream
        kernels.launch(kernel, plan.blocks, plan.threads, stream, addresses(fields))


def source() -> str:
    """Return the source of the kernels."""
    kernels = Path(__file__).with_name("kernels")
    return "\n".join(kernels.joinpath(name).read_text("utf-8") for name in _SOURCES)


def cache_key(plan: Plan, device: torch.device) -> str:
    """Return a hash of everything that affects whether the kernels of a plan are correct."""
    facts = [
        source(),
        *(Path(path).read_text("utf-8") for path in (wavefront.__file__, nvrtc.__file__)),
        plan_fields(plan),
        plan.definitions(),
        torch.cuda.get_device_name(device),
        find_architecture(device),
        _driver_version(),
        torch.__version__,
        torch.version.cuda,
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def plan_fields(plan: Plan) -> dict[str, int | str]:
    """Return the fields of a plan as JSON values; see `plan_from_fields`."""
    return dataclasses.asdict(plan) | {"dtype": str(plan.dtype).removeprefix("torch.")}


def plan_from_fields(fields: dict[str, int | str]) -> Plan:
    """Return the plan with the fields that `plan_fields` returned."""
    arguments: dict[str, object] = {**fields, "dtype": getattr(torch, str(fields["dtype"]))}
    return Plan(**arguments)  # type: ignore[arg-type]


@functools.cache
def _load(plan: Plan, device: torch.device) -> Kernels:
    code = _machine_code(plan, device)
    with torch.cuda.device(device):
        return Kernels(code, ("forward", "backward"), plan.shared_bytes)


def _machine_code(plan: Plan, device: torch.device) -> bytes:
    key = cache_key(plan, device)
    code = kernel_cache.read_code(key)
    if code is None:
        code = compile_source(source(), plan.definitions(), find_architecture(device))
        kernel_cache.write_code(key, code)
    return code


def _driver_version() -> str:
    """Return the version of the NVIDIA driver on Linux; empty if it cannot be read."""
    try:
        return _DRIVER.read_text("utf-8", "replace")
    except OSError:
        return ""
