"""One recurrent layer over a stretch of time: one signature, several engines."""

from torch import Tensor

from charrnn.config import Cell
from charrnn.recurrence import cpu, native, reference
from charrnn.recurrence.layer import LayerState, LayerWeights

__all__ = ["LayerState", "LayerWeights", "run_layer"]


def run_layer(
    cell: Cell, inputs: Tensor, state: LayerState, weights: LayerWeights
) -> tuple[Tensor, LayerState]:
    """Run a layer from `state`; return its outputs (T, B, H) and the state after the last step.

    `inputs` is (T, B, I), or (T, B) whole numbers: the positions of the ones in one-hot inputs.
    The precision is that of the weights, or what `torch.autocast` asks for.
    """
    if inputs.shape[0] == 1:  # torch's kernels would lay the weights out anew; the loop does not
        return reference.run_layer(cell, inputs, state, weights)
    if cell == "lstm" and cpu.serves(inputs.shape[1], weights):
        return cpu.run_layer(inputs, state, weights)
    return native.run_layer(cell, inputs, state, weights)
