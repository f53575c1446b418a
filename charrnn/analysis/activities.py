"""The activity of all units after each character.

The activity is the hyperbolic tangent of the cell for lstm, and the output for gru and rnn.

Shape suffixes: T steps, B streams, H units of a layer, U units of all layers (layer by layer).
"""

import torch
from torch import Tensor
from torch.nn.functional import embedding, linear

from charrnn.model.network import CharRNN
from charrnn.model.state import State
from charrnn.recurrence.dispatch import run_layer
from charrnn.recurrence.layer import LayerWeights

_MIN_GATE = 1e-30  # of the output gate; a smaller gate gives an activity near zero


def activities(model: CharRNN, x_TB: Tensor, state: State) -> tuple[Tensor, State]:
    """Read characters from `state`; return the activities (T, B, U) and the next state.

    The output of an lstm layer is its output gate times the activity. The output gates of all steps
    are one product, so no engine needs to return the cells of all steps.
    """
    inputs, activities_TBH, states = x_TB, [], []
    for layer in range(model.config.num_layers):
        weights = model.layer_weights(layer)
        before = state.layer(layer)
        outputs_TBH, after = run_layer(model.config.cell, inputs, before, weights)
        if model.config.cell == "lstm":
            gates_TBH = _output_gates(inputs, before[0], outputs_TBH, weights)
            activities_TBH.append(outputs_TBH / gates_TBH.clamp(min=_MIN_GATE))
        else:
            activities_TBH.append(outputs_TBH)
        states.append(after)
        inputs = outputs_TBH
    parts_LBH = tuple(torch.stack(part) for part in zip(*states, strict=True))
    return torch.cat(activities_TBH, dim=-1), State(parts_LBH)


def _output_gates(
    inputs: Tensor, initial_BH: Tensor, outputs_TBH: Tensor, weights: LayerWeights
) -> Tensor:
    """Return the output gates (T, B, H) of an lstm layer from its inputs and outputs."""
    rows = slice(3 * initial_BH.shape[1], None)
    weight_HI, weight_HH, bias_ih_H, bias_hh_H = (part[rows] for part in weights)
    hidden_TBH = torch.cat([initial_BH[None], outputs_TBH[:-1]])
    if inputs.is_floating_point():
        from_inputs_TBH = linear(inputs, weight_HI, bias_ih_H)
    else:
        from_inputs_TBH = embedding(inputs, weight_HI.t()) + bias_ih_H
    return (from_inputs_TBH + linear(hidden_TBH, weight_HH, bias_hh_H)).sigmoid()
