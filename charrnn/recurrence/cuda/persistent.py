"""The engine for NVIDIA GPUs: an LSTM as one kernel that keeps its weights on the chip.

It serves where the network fits on the chip, and where it was found to compute, on this very GPU
and for this very size, what cuDNN does. Elsewhere, and if anything fails, cuDNN computes.
How fast it is was not measured yet: `benchmarks/persistent.py` does.

Shape suffixes: T steps, B streams, V characters, H units, L layers, M layers but one, G gate rows.
"""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from charrnn.config.model import Cell
from charrnn.recurrence import native
from charrnn.recurrence.cuda import wavefront
from charrnn.recurrence.cuda.nvrtc import Kernels, compile_source
from charrnn.recurrence.cuda.wavefront import Plan, addresses
from charrnn.recurrence.layer import LayerState, LayerWeights

_SOURCES = ("chip.cu", "slice.cu", "forward.cu", "backward.cu")
_DTYPES = (torch.bfloat16, torch.float16)
_CAPABILITY = (8, 0)  # from which on a GPU multiplies bfloat16 numbers
_FEWEST_STEPS = 8  # below, getting the weights onto the chip is a large part of the work
_FEWEST_STREAMS = 16  # the rows of one matrix instruction
_CHECKED: dict[tuple[torch.device, Plan], bool] = {}
_CHECKED_STEPS, _CHECKED_CHARACTERS = 6, 11
_TOLERANCE = 0.03  # of the norm; rounding to bfloat16 makes up less than 0.01


def serves(cell: Cell, x_TB: Tensor, layers: Sequence[LayerWeights]) -> bool:
    """Whether this engine computes these layers, under the `torch.autocast` in force.

    The first time that it could for a size, that is compiled and tried: some seconds.
    """
    like = layers[0].weight_hh_GH
    if cell != "lstm" or like.device.type != "cuda" or not torch.is_autocast_enabled("cuda"):
        return False
    dtype, (steps, streams) = torch.get_autocast_dtype("cuda"), x_TB.shape
    if dtype not in _DTYPES or steps < _FEWEST_STEPS or streams < _FEWEST_STREAMS:
        return False
    if layers[0].weight_ih_GI.shape[1] > len(like):  # the one-hot inputs would be the larger factor
        return False
    plan = Plan(layers=len(layers), hidden=like.shape[1], streams=streams, dtype=dtype)
    key = (like.device, plan)
    if key not in _CHECKED:
        if torch.cuda.is_current_stream_capturing():  # trying it out has no place in a graph
            return False
        _CHECKED[key] = fits(plan, torch.cuda.get_device_properties(like.device)) and works(
            plan, like.device
        )
    return _CHECKED[key]


def run_layers(
    x_TB: Tensor,
    parts_LBH: LayerState,
    layers: Sequence[LayerWeights],
    between_MBH: Tensor | None,
) -> tuple[Tensor, LayerState]:
    """Run all layers in the precision of `torch.autocast`; see `dispatch.run_layers`."""
    dtype = torch.get_autocast_dtype("cuda")
    return wavefront.run_layers(_launch, dtype, x_TB, parts_LBH, layers, between_MBH)


def fits(plan: Plan, properties: Any) -> bool:
    """Whether a GPU can run all blocks of a plan at one time, each with its weights."""
    return bool(
        plan.units
        and (properties.major, properties.minor) >= _CAPABILITY
        and plan.blocks <= properties.multi_processor_count
        and plan.shared_bytes <= getattr(properties, "shared_memory_per_block_optin", 0)
    )


def source() -> str:
    """Return the source of the kernels."""
    kernels = Path(__file__).with_name("kernels")
    return "\n".join(kernels.joinpath(name).read_text("utf-8") for name in _SOURCES)


def works(plan: Plan, device: torch.device) -> bool:
    """Whether the kernels compute, on a device, what the layers compute one by one."""
    try:
        return bool((differences(plan, device) < _TOLERANCE).all())  # not where one is no number
    except Exception:  # whatever it was: there is another way to compute the same
        return False


def differences(plan: Plan, device: torch.device) -> Tensor:
    """Return how far the kernels are off on a random network, as shares of the norms.

    Of the outputs, the last states and all gradients. Raises whatever goes wrong.
    """
    autocast = torch.autocast(device.type, enabled=False)
    with torch.inference_mode(False), torch.enable_grad(), autocast:
        pairs = zip(*_both_ways(plan, device), strict=True)
        return torch.stack(
            [(mine.float() - theirs).norm() / theirs.norm() for mine, theirs in pairs]
        )


def _both_ways(plan: Plan, device: torch.device) -> tuple[list[Tensor], list[Tensor]]:
    """Return outputs, last state and all gradients of a random network: by kernel, layer by layer.

    The draws are from a generator of their own: what is random elsewhere stays as it is.
    """
    draws = torch.Generator().manual_seed(0)

    def random(*shape: int, scale: float = 1.0) -> Tensor:
        return (torch.randn(shape, generator=draws) * scale).to(device).requires_grad_()

    rows, units, width = 4 * plan.hidden, plan.hidden, _CHECKED_CHARACTERS
    layers = [
        LayerWeights(
            random(rows, units if layer else width, scale=units**-0.5 if layer else 1.0),
            random(rows, units, scale=units**-0.5),
            random(rows, scale=0.1),
            random(rows, scale=0.1),
        )
        for layer in range(plan.layers)
    ]
    x_TB = torch.randint(width, (_CHECKED_STEPS, plan.streams), generator=draws).to(device)
    shape = plan.layers, plan.streams, units
    parts_LBH = random(*shape), random(*shape)
    keep = torch.rand(plan.layers - 1, *shape[1:], generator=draws) < 0.75
    between_MBH = (keep / 0.75).to(device)
    factors = [random(_CHECKED_STEPS, *shape[1:]), random(*shape), random(*shape)]
    leaves = [*parts_LBH, *(each for layer in layers for each in layer)]

    def results(outputs_TBH: Tensor, last_LBH: LayerState) -> list[Tensor]:
        everything = [outputs_TBH, *last_LBH]
        pairs = zip(everything, factors, strict=True)
        loss = torch.stack([(each * factor.detach()).sum() for each, factor in pairs]).sum()
        return [*everything, *torch.autograd.grad(loss, leaves)]

    found = results(
        *wavefront.run_layers(_launch, plan.dtype, x_TB, parts_LBH, layers, between_MBH)
    )
    inputs, states = x_TB, []
    for layer, weights in enumerate(layers):
        state = parts_LBH[0][layer], parts_LBH[1][layer]
        inputs, last = native.run_layer("lstm", inputs, state, weights)
        states.append(last)
        if layer < plan.layers - 1:
            inputs = inputs * between_MBH[layer]
    return found, results(inputs, tuple(torch.stack(each) for each in zip(*states, strict=True)))


def _launch(kernel: str, plan: Plan, fields: Sequence[Tensor | int | None]) -> None:
    device = next(each.device for each in fields if isinstance(each, Tensor))
    with torch.cuda.device(device):
        stream = torch.cuda.current_stream().cuda_stream
        _kernels(plan, device).launch(kernel, plan.blocks, plan.threads, stream, addresses(fields))


@functools.cache
def _kernels(plan: Plan, device: torch.device) -> Kernels:
    major, minor = torch.cuda.get_device_capability(device)
    code = compile_source(source(), plan.definitions(), f"sm_{major}{minor}")
    return Kernels(code, ("forward", "backward"), plan.shared_bytes)
