"""The reference loop over time steps. All other engines are tested against it."""

import torch
from torch import Tensor
from torch.nn.functional import embedding, linear

from charrnn.config.model import Cell
from charrnn.recurrence.layer import LayerState, LayerWeights


def run_layer(
    cell: Cell, inputs: Tensor, state: LayerState, weights: LayerWeights
) -> tuple[Tensor, LayerState]:
    """Run one layer step by step; see `charrnn.recurrence.dispatch.run_layer`."""
    step = {"lstm": _lstm_step, "gru": _gru_step, "rnn": _rnn_step}[cell]
    if inputs.is_floating_point():
        from_inputs_TBG = linear(inputs, weights.weight_ih_GI, weights.bias_ih_G)
    else:
        from_inputs_TBG = embedding(inputs, weights.weight_ih_GI.t()) + weights.bias_ih_G
    outputs = []
    for from_inputs_BG in from_inputs_TBG.unbind(0):
        from_hidden_BG = linear(state[0], weights.weight_hh_GH, weights.bias_hh_G)
        state = step(from_inputs_BG, from_hidden_BG, state)
        outputs.append(state[0])
    return torch.stack(outputs), state


def _lstm_step(from_inputs_BG: Tensor, from_hidden_BG: Tensor, state: LayerState) -> LayerState:
    i, f, g, o = (from_inputs_BG + from_hidden_BG).chunk(4, dim=1)
    cell_BH = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(cell_BH), cell_BH


def _gru_step(from_inputs_BG: Tensor, from_hidden_BG: Tensor, state: LayerState) -> LayerState:
    reset_x, update_x, new_x = from_inputs_BG.chunk(3, dim=1)
    reset_h, update_h, new_h = from_hidden_BG.chunk(3, dim=1)
    update_BH = torch.sigmoid(update_x + update_h)
    new_BH = torch.tanh(new_x + torch.sigmoid(reset_x + reset_h) * new_h)
    return ((1 - update_BH) * new_BH + update_BH * state[0],)


def _rnn_step(from_inputs_BG: Tensor, from_hidden_BG: Tensor, state: LayerState) -> LayerState:
    return (torch.tanh(from_inputs_BG + from_hidden_BG),)
