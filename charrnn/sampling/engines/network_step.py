"""Read one character of each sample with the network, in few kernels.

Shape suffixes: B samples, V characters of the vocabulary, L layers, G gate rows (4H: i, f, g, o),
H units, K factors of a sum of products, R rows of a table.
"""

import functools
from typing import Protocol

import torch
from torch import Tensor

from charrnn.model.network import CharRNN
from charrnn.model.state import State
from charrnn.sampling.engines.step_kernels import Launch, lstm_cell, torch_lstm_cell

Carried = tuple[Tensor, ...]
"""The tensors that one call of `advance` passes to the next."""


class NetworkStep(Protocol):
    """A way to read one character of each sample."""

    def refresh(self) -> None:
        """Read the weights of the model again; training may have changed them in place."""

    def allocate(self, samples: int) -> State:
        """Allocate the state of this number of samples."""

    def carried(self, state: State) -> Carried:
        """Convert a state to the arguments of `advance`, which share its memory."""

    def advance(self, codes_B: Tensor, carried: Carried) -> tuple[Tensor, Carried]:
        """Read one character of each sample; return the logits (B, V) after it."""


class ModelStep:
    """Read a character by a call of the model."""

    def __init__(self, model: CharRNN) -> None:
        self._model = model

    def refresh(self) -> None:
        """See `NetworkStep`."""

    def allocate(self, samples: int) -> State:
        """See `NetworkStep`."""
        return self._model.initial_state(samples)

    def carried(self, state: State) -> Carried:
        """See `NetworkStep`."""
        return state.parts_LBH

    def advance(self, codes_B: Tensor, carried: Carried) -> tuple[Tensor, Carried]:
        """See `NetworkStep`."""
        logits_1BV, state = self._model(codes_B[None], State(carried))
        return logits_1BV[0], state.parts_LBH


class LstmStep:
    """Read a character with one product and one computation of the gates for each layer.

    One row per sample contains the hidden units of all layers. In it, the inputs of layer n are
    next to the layer's own units, so one matrix has the weights of both. The inputs of the first
    layer are rows of a table. `refresh` copies the weights to this layout.

    The factors of products are `dtype`, except those of the output layer. Sums, gates and cells
    are float32. If there is a `launch`, one kernel computes the gates of a layer; otherwise torch
    does.
    """

    def __init__(self, model: CharRNN, dtype: torch.dtype, launch: Launch | None = None) -> None:
        self._model, self._dtype = model, dtype
        self._units = model.config.hidden_size
        self._cell = torch_lstm_cell if launch is None else functools.partial(lstm_cell, launch)
        layers = [model.layer_weights(n) for n in range(model.config.num_layers)]
        self._tables_RG = [
            layer.bias_ih_G.new_empty((len(model.vocabulary) if n == 0 else 1, 4 * self._units))
            for n, layer in enumerate(layers)
        ]
        """Rows that are added to the sums of products: the biases; in the first layer, the biases
        plus the weights of each character."""
        self._weights_GK = [
            table_RG.new_empty((4 * self._units, self._units * min(n + 1, 2)), dtype=dtype)
            for n, table_RG in enumerate(self._tables_RG)
        ]
        self.refresh()

    @torch.inference_mode()
    def refresh(self) -> None:
        """See `NetworkStep`."""
        for n, (table_RG, weights_GK) in enumerate(
            zip(self._tables_RG, self._weights_GK, strict=True)
        ):
            layer = self._model.layer_weights(n)
            weights_GK[:, -self._units :].copy_(layer.weight_hh_GH)
            table_RG.copy_(layer.bias_ih_G + layer.bias_hh_G)
            if n == 0:
                table_RG.add_(layer.weight_ih_GI.t())
            else:
                weights_GK[:, : self._units].copy_(layer.weight_ih_GI)

    def allocate(self, samples: int) -> State:
        """See `NetworkStep`; the hidden units of a sample are next to each other."""
        hidden_LBH, cells_LBH = self._model.initial_state(samples).parts_LBH
        hidden_BLH = hidden_LBH.transpose(0, 1).to(self._dtype).contiguous()
        return State((hidden_BLH.transpose(0, 1), cells_LBH))

    def carried(self, state: State) -> Carried:
        """Return the hidden units (B, LH) and the cells of each layer, which change in place."""
        hidden_LBH, cells_LBH = state.parts_LBH
        return hidden_LBH.transpose(0, 1).view(hidden_LBH.shape[1], -1), *cells_LBH

    def advance(self, codes_B: Tensor, carried: Carried) -> tuple[Tensor, Carried]:
        """See `NetworkStep`."""
        hidden_BK, *cells = carried
        outputs_BH = torch.empty_like(cells[-1])  # the float32 outputs of the last layer
        for n, cells_BH in enumerate(cells):
            first, last = self._units * max(0, n - 1), self._units * (n + 1)
            self._cell(
                _product(hidden_BK[:, first:last], self._weights_GK[n]),
                self._tables_RG[n],
                codes_B if n == 0 else None,
                cells_BH,
                hidden_BK[:, last - self._units : last],
                outputs_BH if n == len(cells) - 1 else None,
            )
        return self._model.output(outputs_BH), carried


def _product(inputs_BK: Tensor, weights_GK: Tensor) -> Tensor:
    """Return inputs @ weights.T in float32, in any precision of the factors."""
    if weights_GK.dtype == torch.float32:
        return torch.mm(inputs_BK, weights_GK.t())
    if weights_GK.device.type == "cuda":
        return torch.mm(inputs_BK, weights_GK.t(), out_dtype=torch.float32)
    return torch.mm(
        inputs_BK.float(), weights_GK.float().t()
    )  # torch has no float32 sums of 16-bit products on a CPU
