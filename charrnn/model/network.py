"""The network: recurrent layers over one-hot characters, a linear layer to logits.

Shape suffixes: T steps, B streams, V characters of the vocabulary, H units, L layers, G gate rows.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from charrnn.config.model import ModelConfig
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import CheckpointError
from charrnn.model.dropout import NO_MASKS, Masks
from charrnn.model.gradient_squares import GradientSquares
from charrnn.model.loss import output_logits
from charrnn.model.state import State
from charrnn.recurrence.dispatch import run_layers
from charrnn.recurrence.layer import LayerWeights

Arrays = Mapping[str, NDArray[Any]]

# Large enough for three layers to learn from the first steps. With 0.05, the loss stays at that of
# the character frequencies for over a hundred steps.
_INPUT_SCALE = 0.6


class CharRNN(nn.Module):
    """A character model: `model(x_TB, state) -> (logits_TBV, state)`.

    Each layer's parameters map one to one to those of `torch.nn.LSTM`, `GRU` or `RNN`. The state is
    explicit: the module keeps no state between calls.
    """

    def __init__(
        self,
        config: ModelConfig,
        vocabulary: Vocabulary,
        line_start: str | None = None,
        separator: str | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.vocabulary = vocabulary
        self.line_start = line_start or vocabulary.characters[0]
        self.separator_code = vocabulary.find_code(separator)
        """The code of the separator, if each document is read from the initial state."""
        hidden, gates = config.hidden_size, config.num_gates * config.hidden_size
        for layer in range(config.num_layers):
            width = hidden if layer else len(vocabulary)
            for name, shape in (
                ("weight_ih", (gates, width)),
                ("weight_hh", (gates, hidden)),
                ("bias_ih", (gates,)),
                ("bias_hh", (gates,)),
            ):
                self.register_parameter(f"{name}_l{layer}", nn.Parameter(torch.zeros(shape)))
        self.output = nn.Linear(hidden, len(vocabulary))
        self.gradient_squares: GradientSquares | None = None
        """Those on the training text; None if they were not measured. `adapt_copy` uses them."""

    def forward(
        self,
        x_TB: Tensor,
        state: State,
        masks: Masks = NO_MASKS,
        layers: Sequence[LayerWeights] | None = None,
    ) -> tuple[Tensor, State]:
        """Read characters from `state`; return the logits after each and the state after the last.

        `masks` applies dropout in training. `layers` is the result of `masked_layers`, if the
        caller has already computed it. Under `torch.autocast`, the layers compute in the
        precision of autocast; the state stays float32, and the logits too, except in
        `output_logits` for a large vocabulary.
        """
        if masks.carried_B1 is not None:
            state = State(tuple(part * masks.carried_B1 for part in state.parts_LBH))
        outputs_TBH, parts_LBH = run_layers(
            self.config.cell,
            x_TB,
            state.parts_LBH,
            layers or self.masked_layers(masks),
            masks.between_LBH,
        )
        if masks.output_BH is not None:
            outputs_TBH = outputs_TBH * masks.output_BH.to(outputs_TBH.dtype)
        logits_TBV = output_logits(outputs_TBH, self.output.weight, self.output.bias)
        return logits_TBV, State(parts_LBH)

    def initial_state(self, batch: int) -> State:
        """Return the initial state of `batch` streams: zeros."""
        shape = (self.config.num_layers, batch, self.config.hidden_size)
        parts = 2 if self.config.cell == "lstm" else 1
        return State(tuple(self.output.weight.new_zeros(shape) for _ in range(parts)))

    def masked_layers(self, masks: Masks) -> list[LayerWeights]:
        """Return the parameters of all layers, after dropout of weights and of characters."""
        return [
            _masked(self.layer_weights(layer), layer, masks)
            for layer in range(self.config.num_layers)
        ]

    def layer_weights(self, layer: int) -> LayerWeights:
        """Return the parameters of one layer."""
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        return LayerWeights(*(getattr(self, f"{name}_l{layer}") for name in names))

    @property
    def device(self) -> torch.device:
        """The device of the parameters."""
        return self.output.weight.device

    @property
    def is_lstm_on_cpu(self) -> bool:
        """Whether this is an LSTM with float32 weights on a CPU, which the compiled engines run."""
        weight = self.output.weight
        is_float32_on_cpu = weight.device.type == "cpu" and weight.dtype == torch.float32
        return self.config.cell == "lstm" and is_float32_on_cpu

    @torch.no_grad()
    def initialize(self, seed: int) -> "CharRNN":
        """Initialize the weights from a seed: orthogonal recurrent weights, forget bias."""
        generator = torch.Generator().manual_seed(seed)
        hidden = self.config.hidden_size
        for layer in range(self.config.num_layers):
            weights = self.layer_weights(layer)
            scale = 1 / math.sqrt(hidden) if layer else _INPUT_SCALE
            nn.init.normal_(weights.weight_ih_GI, std=scale, generator=generator)
            for gate_HH in torch.split(weights.weight_hh_GH, hidden):
                nn.init.orthogonal_(gate_HH, generator=generator)
            if self.config.cell == "lstm":
                weights.bias_ih_G[hidden : 2 * hidden] = self.config.forget_bias
        nn.init.normal_(self.output.weight, std=1 / math.sqrt(hidden), generator=generator)
        nn.init.zeros_(self.output.bias)
        return self

    @torch.no_grad()
    def copy_weights_from(self, source: "CharRNN") -> "CharRNN":
        """Copy the weights of a model whose vocabulary is the beginning of this one's.

        Weights of the additional characters stay as initialized. Their output bias becomes that of
        the least likely character of `source`.
        """
        source_parameters = dict(source.named_parameters())
        for name, parameter in self.named_parameters():
            if parameter.shape == source_parameters[name].shape:
                parameter.copy_(source_parameters[name])
        size = len(source.vocabulary)
        self.layer_weights(0).weight_ih_GI[:, :size] = source_parameters["weight_ih_l0"]
        self.output.weight[:size] = source_parameters["output.weight"]
        self.output.bias[:size] = source_parameters["output.bias"]
        self.output.bias[size:] = source_parameters["output.bias"].min()
        return self

    @torch.no_grad()
    def set_arrays(self, arrays: Arrays) -> "CharRNN":
        """Set all parameters from `arrays`; raise `CheckpointError` if names or shapes differ."""
        parameters = dict(self.named_parameters())
        if set(arrays) != set(parameters):
            names = ", ".join(sorted(set(arrays) ^ set(parameters)))
            raise CheckpointError(
                f"the weights do not match the model: {names} missing or unexpected",
                "check the run with `charrnn verify`",
            )
        for name, parameter in parameters.items():
            if arrays[name].shape != tuple(parameter.shape):
                raise CheckpointError(
                    f"the weights do not match the model: {name} has the shape "
                    f"{arrays[name].shape}, but the model needs {tuple(parameter.shape)}",
                    "check the run with `charrnn verify`",
                )
            parameter.copy_(torch.from_numpy(arrays[name].astype(np.float32)))
        return self

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all parameters by name. On the CPU, the arrays share the model's memory."""
        return {name: to_array(parameter) for name, parameter in self.named_parameters()}


def _masked(weights: LayerWeights, layer: int, masks: Masks) -> LayerWeights:
    if layer == 0 and masks.inputs_V is not None:
        weights = weights._replace(weight_ih_GI=weights.weight_ih_GI * masks.inputs_V)
    if masks.recurrent_LGH is not None:
        masked_GH = weights.weight_hh_GH * masks.recurrent_LGH[layer]
        weights = weights._replace(weight_hh_GH=masked_GH)
    return weights


def to_array(tensor: Tensor) -> NDArray[Any]:
    """Return a tensor as an array in CPU memory, which a CPU tensor shares with it."""
    array: NDArray[Any] = tensor.detach().cpu().numpy()
    return array
