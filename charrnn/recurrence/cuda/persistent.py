"""The engine for NVIDIA GPUs: an LSTM as one kernel that keeps its weights on the chip.

It serves where the network fits on the chip, and where it was found to compute, on this very GPU
and for this very size, what cuDNN does. Elsewhere cuDNN computes; `refusal_reason` says why.
`benchmarks/persistent.py` measures how fast it is.

Shape suffixes: T steps, B streams, H units, L layers, M layers but one.
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
"""The environment variable that turns the kernel off where it is `off`."""

DEVICE_TYPE = "cuda"
_DTYPES = (torch.bfloat16, torch.float16)
_CAPABILITY = (8, 0)  # from which on a GPU multiplies bfloat16 numbers
_FEWEST_STEPS = 8  # below, getting the weights onto the chip is a large part of the work
_FEWEST_STREAMS = 16  # the rows of one matrix instruction
_VERDICTS: dict[tuple[torch.device, Plan], Verdict] = {}


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What the layers of a network are to compute in one call, and where."""

    cell: Cell
    layers: int
    hidden: int
    characters: int
    """Different characters, which are the first layer's one-hot inputs."""
    steps: int
    streams: int
    dtype: torch.dtype
    """Of products: that of `torch.autocast`, float32 where it is disabled."""
    device: torch.device


def serves(cell: Cell, x_TB: Tensor, layers: Sequence[LayerWeights]) -> bool:
    """Whether this engine computes these layers, under the `torch.autocast` in force.

    The first time that it could for a size, the kernels are compiled and checked: some seconds.
    """
    like = layers[0].weight_hh_GH
    if like.device.type != DEVICE_TYPE or not torch.is_autocast_enabled(DEVICE_TYPE):
        return False
    steps, streams = x_TB.shape
    workload = Workload(
        cell=cell,
        layers=len(layers),
        hidden=like.shape[1],
        characters=layers[0].weight_ih_GI.shape[1],
        steps=steps,
        streams=streams,
        dtype=torch.get_autocast_dtype(DEVICE_TYPE),
        device=like.device,
    )
    return refusal_reason(workload) is None


def refusal_reason(workload: Workload) -> str | None:
    """Return why this engine does not compute a workload on a GPU, as a clause; None if it does.

    See `serves` on how long that takes.
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
    """Return why a GPU cannot run all blocks of a plan at one time, each with its weights.

    A clause for users; None if it can.
    """
    if not plan.units:
        return f"it cannot divide layers of {plan.hidden} units (it needs a multiple of 32)"
    if (properties.major, properties.minor) < _CAPABILITY:
        return (
            f"it needs a GPU of compute capability {_CAPABILITY[0]}.{_CAPABILITY[1]} or higher, "
            f"and this one has {properties.major}.{properties.minor}"
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
    """Return why this engine computes a workload on no GPU, as a clause; None if it may."""
    gates = 4 * workload.hidden
    reasons = {
        f"{SWITCH} is off": os.environ.get(SWITCH, "").lower() == "off",
        f"it computes LSTM layers, not {workload.cell}": workload.cell != "lstm",
        "it computes in bfloat16 or float16 only": workload.dtype not in _DTYPES,
        f"it needs {_FEWEST_STEPS} steps or more": workload.steps < _FEWEST_STEPS,
        f"it needs {_FEWEST_STREAMS} streams or more": workload.streams < _FEWEST_STREAMS,
        # The one-hot inputs would be the larger factor of the product.
        f"it needs a vocabulary of at most {gates:,} characters": workload.characters > gates,
    }
    return next((reason for reason, applies in reasons.items() if applies), None)


def _check_plan(plan: Plan, device: torch.device) -> Verdict:
    reason = misfit_reason(plan, torch.cuda.get_device_properties(device))
    return Verdict(False, reason) if reason else check_kernel(plan, device)
