"""A character of many samples is read by the network, in few kernels.

Shape suffixes: B samples, V characters of the vocabulary, L layers, G gate rows (4H: i, f, g, o),
H units, K factors of a sum of products.
"""

from typing import Protocol

import torch
from torch import Tensor

from charrnn.model.network import CharRNN
from charrnn.model.state import State

Carried = tuple[Tensor, ...]
"""What one character hands on to the next."""


class NetworkStep(Protocol):
    """Reads a character of each sample."""

    def refresh(self) -> None:
        """Read the weights of the model again, which training changes in place."""

    def allocate(self, samples: int) -> State:
        """Return the memory of the state of so many samples."""

    def carried(self, state: State) -> Carried:
        """Return a state as `advance` takes it; it is the same memory."""

    def advance(self, codes_B: Tensor, carried: Carried) -> tuple[Tensor, Carried]:
        """Read a character of each sample; return the logits (B, V) after it."""


class ModelStep:
    """Call the model itself."""

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
    """Read a character with one product for each layer, one kernel for its gates, and one copy.

    The hidden units of all layers are one row for each sample. The inputs of layer n and its own
    units are next to each other there, so the weights of both are one matrix. The inputs of the
    first layer are rows of a table. The copies of the weights that this needs are made by
    `refresh`.

    The factors of products are `dtype`, except those of the output layer. Sums, gates and cells
    are float32.
    """

    def __init__(self, model: CharRNN, dtype: torch.dtype) -> None:
        self._model, self._dtype = model, dtype
        self._units = model.config.hidden_size
        layers = [model.layer_weights(n) for n in range(model.config.num_layers)]
        self._table_VG = torch.empty_like(layers[0].weight_ih_GI.detach().t().contiguous())
        self._weights_GK = [
            self._table_VG.new_empty((4 * self._units, self._units * min(n + 1, 2)), dtype=dtype)
            for n in range(len(layers))
        ]
        self._biases = [(layer.bias_ih_G.detach(), layer.bias_hh_G.detach()) for layer in layers]
        self._zeros_1G = torch.zeros_like(self._table_VG[:1])
        self.refresh()

    @torch.inference_mode()
    def refresh(self) -> None:
        """See `NetworkStep`."""
        for n, weights_GK in enumerate(self._weights_GK):
            layer = self._model.layer_weights(n)
            weights_GK[:, -self._units :].copy_(layer.weight_hh_GH)
            if n == 0:
                self._table_VG.copy_(layer.weight_ih_GI.t())
            else:
                weights_GK[:, : self._units].copy_(layer.weight_ih_GI)

    def allocate(self, samples: int) -> State:
        """See `NetworkStep`; the hidden units of a sample are next to each other."""
        hidden_LBH, cells_LBH = self._model.initial_state(samples).parts_LBH
        hidden_BLH = hidden_LBH.transpose(0, 1).to(self._dtype).contiguous()
        return State((hidden_BLH.transpose(0, 1), cells_LBH))

    def carried(self, state: State) -> Carried:
        """Return the hidden units (B, LH), which change in place, and the cells of each layer."""
        hidden_LBH, cells_LBH = state.parts_LBH
        return hidden_LBH.transpose(0, 1).view(hidden_LBH.shape[1], -1), *cells_LBH

    def advance(self, codes_B: Tensor, carried: Carried) -> tuple[Tensor, Carried]:
        """See `NetworkStep`."""
        hidden_BK, *cells = carried
        new_cells = []
        from_inputs_BG = self._table_VG.index_select(0, codes_B)
        for n, cell_BH in enumerate(cells):
            first, last = self._units * max(0, n - 1), self._units * (n + 1)
            sums_BG = _product(hidden_BK[:, first:last], self._weights_GK[n])
            if n:  # the sums have the part of the inputs, too
                from_inputs_BG = self._zeros_1G.expand_as(sums_BG)
            new_BH, new_cell_BH = _lstm_cell(from_inputs_BG, sums_BG, cell_BH, *self._biases[n])
            hidden_BK[:, last - self._units : last].copy_(new_BH)
            new_cells.append(new_cell_BH)
        return self._model.output(new_BH), (hidden_BK, *new_cells)


def _product(inputs_BK: Tensor, weights_GK: Tensor) -> Tensor:
    """Return the sums of products in float32, whatever the precision of the factors."""
    if weights_GK.dtype == torch.float32:
        return torch.mm(inputs_BK, weights_GK.t())
    if weights_GK.device.type == "cuda":
        return torch.mm(inputs_BK, weights_GK.t(), out_dtype=torch.float32)
    return torch.mm(inputs_BK.float(), weights_GK.float().t())  # torch has no such sums there


def _lstm_cell(
    from_inputs_BG: Tensor, from_hidden_BG: Tensor, cell_BH: Tensor, *biases_G: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the hidden units and the cells after a step: on a GPU by one kernel."""
    if cell_BH.device.type == "cuda":
        new_BH, new_cell_BH, _ = torch.ops.aten._thnn_fused_lstm_cell(
            from_inputs_BG, from_hidden_BG, cell_BH, *biases_G
        )
        return new_BH, new_cell_BH
    i_BH, f_BH, g_BH, o_BH = (from_inputs_BG + from_hidden_BG + sum(biases_G)).chunk(4, dim=1)
    new_cell_BH = f_BH.sigmoid() * cell_BH + i_BH.sigmoid() * g_BH.tanh()
    return o_BH.sigmoid() * new_cell_BH.tanh(), new_cell_BH
