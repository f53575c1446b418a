"""The kernels that come with torch: oneDNN on a processor, cuDNN on an NVIDIA GPU."""

import torch
from torch import Tensor
from torch.nn.functional import embedding, one_hot

from charrnn.config.model import Cell
from charrnn.recurrence.layer import LayerState, LayerWeights


def run_layer(
    cell: Cell, inputs: Tensor, state: LayerState, weights: LayerWeights
) -> tuple[Tensor, LayerState]:
    """Run one layer as one call; see `charrnn.recurrence.dispatch.run_layer`."""
    if not inputs.is_floating_point():
        inputs, weights = _look_up(inputs, weights)
    states = [each.unsqueeze(0) for each in state]
    arguments = (list(weights), True, 1, 0.0, torch.is_grad_enabled(), False, False)
    if cell == "lstm":
        outputs_TBH, hidden, memory = torch.lstm(inputs, states, *arguments)
        return outputs_TBH, (hidden[0].to(state[0].dtype), memory[0].to(state[1].dtype))
    kernel = torch.gru if cell == "gru" else torch.rnn_tanh
    outputs_TBH, hidden = kernel(inputs, states[0], *arguments)
    return outputs_TBH, (hidden[0].to(state[0].dtype),)


def _look_up(inputs_TB: Tensor, weights: LayerWeights) -> tuple[Tensor, LayerWeights]:
    """Turn one-hot inputs into what the kernels take: the smaller of two products.

    Either the ones and zeros themselves (T, B, V), or, for a vocabulary larger than the gates, the
    looked-up columns of the weights (T, B, G) with the identity in the weights' place.
    """
    gates, characters = weights.weight_ih_GI.shape
    like = weights.weight_ih_GI
    if characters <= gates:
        return one_hot(inputs_TB, characters).to(like.dtype), weights
    identity = torch.eye(gates, dtype=like.dtype, device=like.device)
    return embedding(inputs_TB, like.t()), weights._replace(weight_ih_GI=identity)
