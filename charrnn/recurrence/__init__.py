"""One recurrent layer over a stretch of time: one signature, several engines."""

from torch import Tensor

from charrnn.config import Cell
from charrnn.recurrence import native, reference
from charrnn.recurrence.layer import LayerState, LayerWeights

__all__ = ["LayerState", "LayerWeights", "run_layer"]


def run_layer(
    cell: Cell, inputs: Tensor, state: LayerState, weights: LayerWeights
) -> tuple[Tensor, LayerState]:
    """Run a layer from `state`; return its outputs (T, B, H) and the state after the last step.

    `inputs` is (T, B, I), or (T, B) whole numbers: the positions of the ones in one-hot inputs.
    """
    # For a single step torch's kernels lay the weights out anew; the plain loop does not.
    run = reference.run_layer if inputs.shape[0] == 1 else native.run_layer
    return run(cell, inputs, state, weights)
