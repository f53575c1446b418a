"""The engine for many texts of an LSTM on a processor: weights packed once, the gates fused.

Shape suffixes: B samples, H units, L layers, G gate rows (4H: i, f, g, o), V characters.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from charrnn.model.network import CharRNN
from charrnn.model.state import State
from charrnn.recurrence.cpu import gates
from charrnn.recurrence.cpu.matmul import Product, as_array, packed
from charrnn.sampling.engines.eager import EagerEngine

_ROWS = 64  # what the weights are packed for; the products of a row are the same among any number


class PackedEngine(EagerEngine):
    """Drive an LSTM of float32 weights; a prompt is read by the network itself."""

    copies_weights = True

    def __init__(self, model: CharRNN) -> None:
        super().__init__(model)
        layers = [model.layer_weights(n) for n in range(model.config.num_layers)]
        with torch.inference_mode():
            self._recurrent = [packed(each.weight_hh_GH, _ROWS) for each in layers]
            self._between = [packed(each.weight_ih_GI, _ROWS) for each in layers[1:]]
            self._output: Product = packed(model.output.weight, _ROWS)
            self._table_VG = as_array(layers[0].weight_ih_GI.t().contiguous())
            self._biases_LG = [as_array(each.bias_ih_G + each.bias_hh_G) for each in layers]

    @staticmethod
    def serves(model: CharRNN) -> bool:
        """Whether this engine is the one to choose for a model."""
        weight = model.output.weight
        lstm = model.config.cell == "lstm"
        return lstm and weight.device.type == "cpu" and weight.dtype == torch.float32

    @torch.inference_mode()
    def step(self, state: State, codes_B: NDArray[np.int64]) -> tuple[NDArray[np.float32], State]:
        """Read one character for each sample."""
        before_LBH, cells_LBH = state.parts_LBH
        after_LBH, new_cells_LBH = torch.empty_like(before_LBH), torch.empty_like(cells_LBH)
        activations_BG = np.empty((len(codes_B), 4 * before_LBH.shape[2]), np.float32)
        rows_B, sources_NG = codes_B, self._table_VG
        for n, product in enumerate(self._recurrent):
            if n:
                rows_B, sources_NG = (
                    np.arange(len(codes_B)),
                    as_array(self._between[n - 1](after_LBH[n - 1])),
                )
            gates.forward(
                rows_B,
                sources_NG,
                self._biases_LG[n],
                as_array(product(before_LBH[n])),
                activations_BG,
                as_array(cells_LBH[n]),
                as_array(new_cells_LBH[n]),
                as_array(after_LBH[n]),
            )
        logits_BV = as_array(self._output(after_LBH[-1])) + as_array(self._model.output.bias)
        return logits_BV, State((after_LBH, new_cells_LBH))
