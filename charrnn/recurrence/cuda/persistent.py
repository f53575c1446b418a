"""The engine for NVIDIA GPUs: an LSTM as one kernel that keeps its weights on the chip.

It is used if the network fits on the chip, and if a check has shown that it gives the same results
as cuDNN on this GPU and for this size. Otherwise cuDNN computes; `refusal_reason` returns why.
`benchmarks/persistent.py` measures its speed.

Shape suffixes: T steps, B streams, H units, L layers, M layers except the last.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from charrnn.config.model import Cell
from charrnn.recurrence.cuda import launch, wavefront
from charrnn.recurrence.cuda.check import Verdict, check_kernel
from charrnn.recurrence.cuda.wavefront import Plan
from charrnn.recurrence.layer import LayerState, LayerWeights

SWITCH = "CHARRNN_CUDA_KERNEL"
"""The environment variable that turns the kernel off if its value is `off`."""

DEVICE_TYPE = "cuda"
_DTYPES = (torch.bfloat16, torch.float16)
_MIN_CAPABILITY = (8, 0)  # the lowest with instructions that multiply bfloat16 numbers
_MIN_STEPS = 8  # with fewer steps, loading the weights takes a large part of the time
_MIN_STREAMS = 16  # the rows of one matrix instruction
_VERDICTS: dict[tuple[torch.device, Plan], Verdict] = {}


@dataclass(frozen=True, kw_only=True)
class Workload:
    """The sizes of one call of the layers of a network, and its device."""

    cell: Cell
    layers: int
    hidden: int
    characters: int
    """The size of the vocabulary, which is the width of the one-hot inputs."""
    steps: int
    streams: int
    dtype: torch.dtype
    """The dtype of products: that of `torch.autocast`, float32 if it is disabled."""
    device: torch.device


def supports(cell: Cell, x_TB: Tensor, layers: Sequence[LayerWeights]) -> bool:
    """Whether this engine can run these layers under the current `torch.autocast`.

    The first call for a size compiles and checks the kernels, which takes some seconds.
    """
    weight = layers[0].weight_hh_GH
    if weight.device.type != DEVICE_TYPE or not torch.is_autocast_enabled(DEVICE_TYPE):
        return False
    steps, streams = x_TB.shape
    workload = Workload(
        cell=cell,
        layers=len(layers),
        hidden=weight.shape[1],
        characters=layers[0].weight_ih_GI.shape[1],
        steps=steps,
        streams=streams,
        dtype=torch.get_autocast_dtype(DEVICE_TYPE),
        device=weight.device,
    )
    return refusal_reason(workload) is None


def refusal_reason(workload: Workload) -> str | None:
    """Return why this engine cannot run a workload, as a clause for users; None if it can.

    The first call for a size takes some seconds; see `supports`.
    """
    if reason := _unsupported_reason(workload):
        return reason
    device = workload.device
    if device.index is None:
        device = torch.device(device.type, torch.cuda.current_device())
    plan = Plan(
        layers=workload.layers,
        hidden=workload.hidden,
        streams=workload.streams,
        dtype=workload.dtype,
    )
    if (device, plan) not in _VERDICTS:
        if torch.cuda.is_current_stream_capturing():
            return "it was not checked before a CUDA graph was captured"
        _VERDICTS[device, plan] = _check_plan(plan, device)
    verdict = _VERDICTS[device, plan]
    return None if verdict.is_correct else verdict.reason


def run_layers(
    x_TB: Tensor,
    parts_LBH: LayerState,
    layers: Sequence[LayerWeights],
    between_MBH: Tensor | None,
) -> tuple[Tensor, LayerState]:
    """Run all layers in the precision of `torch.autocast`; see `dispatch.run_layers`."""
    dtype = torch.get_autocast_dtype(DEVICE_TYPE)
    return wavefront.run_layers(launch.launch_kernel, dtype, x_TB, parts_LBH, layers, between_MBH)


def misfit_reason(plan: Plan, properties: Any) -> str | None:
    """Return why a GPU cannot run all blocks of a plan at the same time, as a clause for users.

    Returns None if it can.
    """
    if not plan.units:
        return f"it cannot divide layers of {plan.hidden} units (it needs a multiple of 32)"
    if (properties.major, properties.minor) < _MIN_CAPABILITY:
        return (
            f"it needs a GPU of compute capability {_MIN_CAPABILITY[0]}.{_MIN_CAPABILITY[1]} "
            f"or higher, and this one has {properties.major}.{properties.minor}"
        )
    available = properties.multi_processor_count
    if plan.blocks > available:
        return f"it does not fit on this GPU (needs {plan.blocks} multiprocessors, has {available})"
    shared = getattr(properties, "shared_memory_per_block_optin", 0)
    if plan.shared_bytes > shared:
        return (
            "it does not fit on this GPU (needs "
            f"{plan.shared_bytes:,} bytes of shared memory per block, has {shared:,})"
        )
    return None


def _unsupported_reason(workload: Workload) -> str | None:
    """Return why this engine cannot run a workload on any GPU, as a clause; None if it may."""
    gates = 4 * workload.hidden
    reasons = {
        f"{SWITCH} is off": os.environ.get(SWITCH, "").lower() == "off",
        f"it computes LSTM layers, not {workload.cell}": workload.cell != "lstm",
        "it computes in bfloat16 or float16 only": workload.dtype not in _DTYPES,
        f"it needs {_MIN_STEPS} steps or more": workload.steps < _MIN_STEPS,
        f"it needs {_MIN_STREAMS} streams or more": workload.streams < _MIN_STREAMS,
        # With more characters, the one-hot inputs are the larger factor of the product.
        f"it needs a vocabulary of at most {gates:,} characters": workload.characters > gates,
    }
    return next((reason for reason, applies in reasons.items() if applies), None)


def _check_plan(plan: Plan, device: torch.device) -> Verdict:
    reason = misfit_reason(plan, torch.cuda.get_device_properties(device))
    return Verdict(False, reason) if reason else check_kernel(plan, device)
