"""The shape of the network."""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from charrnn.config.checks import CheckedFields, Range

Cell = Literal["lstm", "gru", "rnn"]


@dataclass(frozen=True, kw_only=True)
class ModelConfig(CheckedFields):
    """The shape of the network. The default is the network that made char-RNNs famous."""

    cell: Annotated[Cell, "Type of the recurrent layers."] = "lstm"
    num_layers: Annotated[int, Range(1, 64), "Number of recurrent layers."] = 3
    hidden_size: Annotated[int, Range(1, 16_384), "Number of hidden units in each layer."] = 512
    forget_bias: Annotated[
        float,
        Range(-100, 100),
        "Start value of the LSTM's forget gates: a higher one keeps more of what was read. "
        "Rarely changed.",
    ] = 1.0

    @property
    def num_gates(self) -> int:
        """The number of gates of a unit, as in torch: 4 in an LSTM, 3 in a GRU, 1 in an RNN."""
        return {"lstm": 4, "gru": 3, "rnn": 1}[self.cell]

    def parameter_shapes(self, vocabulary_size: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each parameter of the network, under its name in torch."""
        hidden, rows = self.hidden_size, self.num_gates * self.hidden_size
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

    def count_parameters(self, vocabulary_size: int) -> int:
        """Return the number of parameters of a network of this shape."""
        return sum(math.prod(shape) for shape in self.parameter_shapes(vocabulary_size).values())
