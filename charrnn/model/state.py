"""The state of the network.

Shape suffixes: L layers, B streams, H units.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from charrnn.recurrence.layer import LayerState


@dataclass(frozen=True)
class State:
    """The recurrent state of the network for B streams.

    `parts_LBH` holds one (L, B, H) tensor for gru and rnn (hidden), two for lstm (hidden, cell).
    """

    parts_LBH: tuple[Tensor, ...]

    @staticmethod
    def join(states: Sequence["State"]) -> "State":
        """Return the state of the streams of all `states`, in this order."""
        parts = zip(*(state.parts_LBH for state in states), strict=True)
        return State(tuple(torch.cat(part, dim=1) for part in parts))

    def layer(self, index: int) -> LayerState:
        """Return the state of one layer: (B, H) tensors."""
        return tuple(part[index] for part in self.parts_LBH)

    def detach(self) -> "State":
        """Return a state that is detached from the graph, so that gradients stop here."""
        return State(tuple(part.detach() for part in self.parts_LBH))

    def select_streams(self, selection: slice | Sequence[int]) -> "State":
        """Return the state of the selected streams, which may repeat, in this order."""
        return State(tuple(part[:, selection] for part in self.parts_LBH))
