"""Choose the engine that runs recurrent layers, and run them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from charrnn.config.model import Cell
from charrnn.recurrence import native, reference
from charrnn.recurrence.cpu import lstm
from charrnn.recurrence.cuda import persistent
from charrnn.recurrence.layer import LayerState, LayerWeights


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
    if cell == "lstm" and lstm.serves(inputs.shape[1], weights):
        return lstm.run_layer(inputs, state, weights)
    return native.run_layer(cell, inputs, state, weights)
