"""The shape of the network."""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from charrnn.config.checks import CheckedFields, Range

Cell = Literal["lstm", "gru", "rnn"]


@dataclass(frozen=True, kw_only=True)
class ModelConfig(CheckedFields):
    """The shape of the network. The default is what made char-RNNs famous."""

    cell: Annotated[Cell, "Type of recurrent layer."] = "lstm"
    num_layers: Annotated[int, Range(1, 64), "Number of recurrent layers."] = 3
    hidden_size: Annotated[int, Range(1, 16_384), "Units per layer."] = 512
    forget_bias: Annotated[float, Range(-100, 100), "Initial bias of the LSTM's forget gate."] = 1.0

    @property
    def gates(self) -> int:
        """How many products a unit adds up: 4 in an lstm, 3 in a gru, 1 in an rnn."""
        return {"lstm": 4, "gru": 3, "rnn": 1}[self.cell]

    def shapes(self, vocabulary_size: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each of the network's parameters, by torch's names."""
        hidden, rows = self.hidden_size, self.gates * self.hidden_size
        shapes: dict[str, tuple[int, ...]] = {}
        for layer in range(self.num_layers):
            shapes[f"weight_ih_l{layer}"] = (rows, hidden if layer else vocabulary_size)
            shapes[f"weight_hh_l{layer}"] = (rows, hidden)
            shapes[f"bias_ih_l{layer}"] = shapes[f"bias_hh_l{layer}"] = (rows,)
        return {
            **shapes,
            "output.weight": (vocabulary_size, hidden),
            "output.bias": (vocabulary_size,),
        }

    def parameters(self, vocabulary_size: int) -> int:
        """Return how many numbers a network of this shape learns."""
        return sum(math.prod(shape) for shape in self.shapes(vocabulary_size).values())
