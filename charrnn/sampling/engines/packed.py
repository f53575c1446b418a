"""The engine for several texts of an LSTM on a CPU: weights packed once, fused gates.

Shape suffixes: B samples, H units, L layers, G gate rows (4H: i, f, g, o), V characters.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from charrnn.model.network import CharRNN
from charrnn.model.state import State
from charrnn.recurrence.cpu import gates
from charrnn.recurrence.cpu.matmul import MatmulFunction, as_array, prepare_matmul
from charrnn.sampling.engines.eager import EagerEngine

_ROWS = 64  # rows that the packing is tuned for; the result of a row does not depend on it


class PackedEngine(EagerEngine):
    """Run an LSTM with packed float32 weights; the model reads the prompt."""

    copies_weights = True

    def __init__(self, model: CharRNN) -> None:
        super().__init__(model)
        layers = [model.layer_weights(n) for n in range(model.config.num_layers)]
        with torch.inference_mode():
            self._recurrent = [prepare_matmul(layer.weight_hh_GH, _ROWS) for layer in layers]
            self._between = [prepare_matmul(layer.weight_ih_GI, _ROWS) for layer in layers[1:]]
            self._output: MatmulFunction = prepare_matmul(model.output.weight, _ROWS)
            self._table_VG = as_array(layers[0].weight_ih_GI.t().contiguous())
            self._biases_LG = [as_array(layer.bias_ih_G + layer.bias_hh_G) for layer in layers]

    @staticmethod
    def supports(model: CharRNN) -> bool:
        """Whether this engine can run a model: an LSTM with float32 weights on a CPU."""
        weight = model.output.weight
        is_lstm = model.config.cell == "lstm"
        return is_lstm and weight.device.type == "cpu" and weight.dtype == torch.float32

    @torch.inference_mode()
    def step(self, state: State, codes_B: NDArray[np.int64]) -> tuple[NDArray[np.float32], State]:
        """Read one character for each sample."""
        hidden_LBH, cells_LBH = state.parts_LBH
        new_hidden_LBH, new_cells_LBH = torch.empty_like(hidden_LBH), torch.empty_like(cells_LBH)
        activations_BG = np.empty((len(codes_B), 4 * hidden_LBH.shape[2]), np.float32)
        rows_B, sources_NG = codes_B, self._table_VG
        for n, product in enumerate(self._recurrent):
            if n:
                rows_B, sources_NG = (
                    np.arange(len(codes_B)),
                    as_array(self._between[n - 1](new_hidden_LBH[n - 1])),
                )
            gates.forward(
                rows_B,
                sources_NG,
                self._biases_LG[n],
                as_array(product(hidden_LBH[n])),
                activations_BG,
                as_array(cells_LBH[n]),
                as_array(new_cells_LBH[n]),
                as_array(new_hidden_LBH[n]),
            )
        logits_BV = as_array(self._output(new_hidden_LBH[-1])) + as_array(self._model.output.bias)
        return logits_BV, State((new_hidden_LBH, new_cells_LBH))
