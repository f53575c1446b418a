"""Choose the engine that runs recurrent layers, and run them."""

import functools
import warnings
from collections.abc import Sequence
from types import ModuleType

import torch
from torch import Tensor

from charrnn.config.model import Cell, ModelConfig
from charrnn.errors import DeviceWarning
from charrnn.numerics.precision import autocast
from charrnn.recurrence import native, reference
from charrnn.recurrence.cpu import layer_threads
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
    """Return the name of the engine that runs a network on an NVIDIA GPU, and the reason.

    Returns None on other devices. `characters` is the size of the vocabulary. The first call for a
    size checks the CUDA kernel, which takes some seconds.
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


def describe_cpu_engine(streams: int, precision: str) -> str:
    """Return the name of the engine that runs LSTM layers on a CPU, and why if it is torch's."""
    engine = _cpu_engine()
    if engine is None:
        return "torch's kernels (numba, which compiles the LSTM engine, cannot be imported)"
    with autocast(torch.device("cpu"), precision):
        if engine.is_preferred(streams, LayerWeights(*(torch.empty(0),) * 4)):
            return "compiled LSTM engine"
    return "torch's kernels (the compiled LSTM engine is not faster with so few streams)"


def run_layers(
    cell: Cell,
    x_TB: Tensor,
    parts_LBH: LayerState,
    layers: Sequence[LayerWeights],
    between_MBH: Tensor | None = None,
) -> tuple[Tensor, LayerState]:
    """Run all layers over characters; return the outputs of the last layer and the state of all.

    `parts_LBH` is the state, (L, B, H) tensors. The outputs of each layer but the last are
    multiplied by `between_MBH` (L - 1, B, H).
    """
    if persistent.supports(cell, x_TB, layers):
        return persistent.run_layers(x_TB, parts_LBH, layers, between_MBH)
    if between_MBH is None and layer_threads.is_preferred(x_TB, layers):
        run_one = functools.partial(run_layer, cell)
        return layer_threads.run_layers(run_one, x_TB, parts_LBH, layers)
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

    `inputs` is (T, B, I), or (T, B) integers: the codes of one-hot inputs. The precision is that of
    the weights, or that of `torch.autocast` if it is enabled.
    """
    if inputs.shape[0] == 1:  # the kernels of torch would rearrange the weights in each call
        return reference.run_layer(cell, inputs, state, weights)
    if cell == "lstm" and weights.weight_hh_GH.device.type == "cpu":
        engine = _cpu_engine()
        if engine and engine.is_preferred(inputs.shape[1], weights):
            outputs_TBH, last = engine.run_layer(inputs, state, weights)
            return outputs_TBH, last
    return native.run_layer(cell, inputs, state, weights)


@functools.cache
def _cpu_engine() -> ModuleType | None:
    """Return the engine for CPUs; None if numba, which compiles it, is not installed."""
    try:
        from charrnn.recurrence.cpu import lstm
    except ImportError as error:
        warnings.warn(
            f"numba cannot be imported ({error}): the LSTM layers run on torch's own CPU kernels, "
            "which are slower",
            DeviceWarning,
            stacklevel=2,
        )
        return None
    return lstm
