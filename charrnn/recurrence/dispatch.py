"""Choose the engine that runs recurrent layers, and run them."""

import functools
import warnings
from collections.abc import Sequence
from types import ModuleType

import torch
from torch import Tensor

from charrnn.config.model import Cell, ModelConfig
from charrnn.errors import DeviceWarning
from charrnn.recurrence import native, reference
from charrnn.recurrence.cuda import persistent
from charrnn.recurrence.layer import LayerState, LayerWeights


def describe_engine(
    model: ModelConfig,
    characters: int,
    *,
    steps: int,
    streams: int,
    precision: str,
    device: torch.device,
) -> str | None:
    """Return the engine of a network on an NVIDIA GPU, and why; None on other devices.

    `characters` is the size of the vocabulary. The first time for a size, this checks the engine,
    which takes some seconds.
    """
    if device.type != persistent.DEVICE_TYPE:
        return None
    reason = persistent.refusal_reason(
        persistent.Workload(
            cell=model.cell,
            layers=model.num_layers,
            hidden=model.hidden_size,
            characters=characters,
            steps=steps,
            streams=streams,
            dtype=getattr(torch, precision),
            device=device,
        )
    )
    if reason is None:
        return f"CUDA kernel, {precision}"
    return f"cuDNN (the CUDA kernel is not used: {reason})"


def run_layers(
    cell: Cell,
    x_TB: Tensor,
    parts_LBH: LayerState,
    layers: Sequence[LayerWeights],
    between_MBH: Tensor | None = None,
) -> tuple[Tensor, LayerState]:
    """Run all layers over characters; return the last one's outputs and the state of all.

    `parts_LBH` is their state, (L, B, H) each; `between_MBH` (L - 1, B, H) are factors of what
    each layer but the last gives to the next.
    """
    if persistent.serves(cell, x_TB, layers):
        return persistent.run_layers(x_TB, parts_LBH, layers, between_MBH)
    inputs, states = x_TB, []
    for number, weights in enumerate(layers):
        if number and between_MBH is not None:
            inputs = inputs * between_MBH[number - 1].to(inputs.dtype)
        state = tuple(part[number] for part in parts_LBH)
        inputs, state = run_layer(cell, inputs, state, weights)
        states.append(state)
    return inputs, tuple(torch.stack(part) for part in zip(*states, strict=True))


def run_layer(
    cell: Cell, inputs: Tensor, state: LayerState, weights: LayerWeights
) -> tuple[Tensor, LayerState]:
    """Run a layer from `state`; return its outputs (T, B, H) and the state after the last step.

    `inputs` is (T, B, I), or (T, B) whole numbers: the positions of the ones in one-hot inputs.
    The precision is that of the weights, or what `torch.autocast` asks for.
    """
    if inputs.shape[0] == 1:  # torch's kernels would lay the weights out anew; the loop does not
        return reference.run_layer(cell, inputs, state, weights)
    if cell == "lstm" and weights.weight_hh_GH.device.type == "cpu":
        engine = _cpu_engine()
        if engine and engine.serves(inputs.shape[1], weights):
            outputs_TBH, last = engine.run_layer(inputs, state, weights)
            return outputs_TBH, last
    return native.run_layer(cell, inputs, state, weights)


@functools.cache
def _cpu_engine() -> ModuleType | None:
    """Return the engine for processors; None where numba, which compiles it, is not installed."""
    try:
        from charrnn.recurrence.cpu import lstm
    except ImportError as error:
        warnings.warn(
            f"numba cannot be imported ({error}), so torch's own kernels compute the LSTM layers "
            "on the processor, which is slower",
            DeviceWarning,
            stacklevel=2,
        )
        return None
    return lstm
