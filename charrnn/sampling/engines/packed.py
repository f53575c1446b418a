"""The engine for several texts of an LSTM on a CPU: weights packed once, fused gates.

Without rules, each thread samples a block of characters of its own texts. So the threads wait for
each other only once per block, also while other programs use a core.

Shape suffixes: K characters of a block or factors of a sum of products, B samples, H units, L
layers, G gate rows (4H: i, f, g, o), V characters, R rows of a table.
"""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from charrnn.config.sampling import SampleConfig
from charrnn.model.network import CharRNN
from charrnn.model.state import State
from charrnn.numerics.precision import has_bfloat16
from charrnn.numerics.threads import count_parts, map_streams
from charrnn.recurrence.cpu import gates
from charrnn.recurrence.cpu.matmul import MatmulFunction, as_array, prepare_matmul
from charrnn.sampling.engines.eager import EagerEngine
from charrnn.sampling.engines.interface import BlockSamplingEngine
from charrnn.sampling.filters import Filters, distribution, sample_codes

_ROWS = 64  # rows that the packing is tuned for; the result of a row does not depend on it
_MIN_TEXTS = 32  # per thread, for which blocks were measured to be faster


class PackedEngine(EagerEngine, BlockSamplingEngine):
    """Run an LSTM with packed weights; the model reads the prompt.

    `auto` rounds the products of the layers and their factors to bfloat16 if the CPU has
    instructions for it. Gates, cells and the output layer are float32.
    """

    copies_weights = True
    needs_full_blocks = False

    def __init__(self, model: CharRNN, precision: Literal["auto", "float32"] = "auto") -> None:
        super().__init__(model)
        rounds = precision == "auto" and has_bfloat16()
        self._dtype = torch.bfloat16 if rounds else torch.float32
        self._units = model.config.hidden_size
        self._products: list[MatmulFunction] = []
        self._tables_RG: list[NDArray[np.float32]] = []
        """Rows that are added to the products: the biases; in the first layer, the biases plus
        the weights of each character."""
        with torch.inference_mode():
            for n in range(model.config.num_layers):
                layer = model.layer_weights(n)
                weight_GK, table_RG = layer.weight_hh_GH, (layer.bias_ih_G + layer.bias_hh_G)[None]
                if n:
                    weight_GK = torch.cat((layer.weight_ih_GI, weight_GK), dim=1)
                else:
                    table_RG = table_RG + layer.weight_ih_GI.t()
                self._products.append(prepare_matmul(weight_GK.to(self._dtype), _ROWS))
                self._tables_RG.append(as_array(table_RG.contiguous()))
            self._output: MatmulFunction = prepare_matmul(model.output.weight, _ROWS)
            self._output_bias_V = as_array(model.output.bias.clone())
        self._no_bias_G = np.zeros(4 * self._units, np.float32)

    def prefers_blocks(self, config: SampleConfig) -> bool:
        """Whether there are enough texts for several threads, and none may end early."""
        return count_parts(config.num_samples, _MIN_TEXTS) > 1 and not config.stop

    @torch.inference_mode()
    def step(self, state: State, codes_B: NDArray[np.int64]) -> tuple[NDArray[np.float32], State]:
        """Read one character for each sample."""
        hidden_BK, cells_LBH = self._copy_state(state)
        scratch_BG = self._make_scratch(len(codes_B))
        logits_BV = self._advance(codes_B, hidden_BK, cells_LBH, slice(None), scratch_BG)
        return logits_BV, self._make_state(hidden_BK, cells_LBH)

    @torch.inference_mode()
    def sample_block(
        self, logits_BV: Any, state: State, uniforms_KB: NDArray[np.float64], filters: Filters
    ) -> tuple[Callable[[], NDArray[np.int64]], NDArray[np.float32], State]:
        """Sample K characters of each sample; see `BlockSamplingEngine`."""
        hidden_BK, cells_LBH = self._copy_state(state)
        codes_KB, last_logits_BV = np.empty(uniforms_KB.shape, np.int64), np.empty_like(logits_BV)

        def run(shard: slice) -> None:
            shard_BV, scratch_BG = logits_BV[shard], self._make_scratch(shard.stop - shard.start)
            for uniforms_B, codes_B in zip(uniforms_KB[:, shard], codes_KB[:, shard], strict=True):
                codes_B[:] = sample_codes(distribution(shard_BV, filters), uniforms_B)
                shard_BV = self._advance(codes_B, hidden_BK, cells_LBH, shard, scratch_BG)
            last_logits_BV[shard] = shard_BV

        map_streams(run, len(logits_BV), _MIN_TEXTS)
        return lambda: codes_KB, last_logits_BV, self._make_state(hidden_BK, cells_LBH)

    def _copy_state(self, state: State) -> tuple[Tensor, Tensor]:
        """Return copies of the hidden units (B, LH), rounded, and of the cells (L, B, H).

        In a row of hidden units, the inputs of a layer are next to its own units, so that one
        product has both.
        """
        hidden_LBH, cells_LBH = state.parts_LBH
        hidden_BLH = torch.empty(hidden_LBH.transpose(0, 1).shape, dtype=self._dtype)
        hidden_BLH.copy_(hidden_LBH.transpose(0, 1))
        return hidden_BLH.flatten(1), cells_LBH.clone(memory_format=torch.contiguous_format)

    def _make_state(self, hidden_BK: Tensor, cells_LBH: Tensor) -> State:
        hidden_BLH = hidden_BK.view(len(hidden_BK), len(cells_LBH), self._units)
        return State((hidden_BLH.transpose(0, 1), cells_LBH))

    def _make_scratch(self, samples: int) -> NDArray[np.float32]:
        return np.empty((samples, 4 * self._units), np.float32)

    def _advance(
        self,
        codes_B: NDArray[np.int64],
        hidden_BK: Tensor,
        cells_LBH: Tensor,
        shard: slice,
        scratch_BG: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Read one character for each sample of a shard; change their rows of the state in place.

        Returns the logits of the shard. `scratch_BG` is overwritten.
        """
        hidden_BK, cells, units = hidden_BK[shard], as_array(cells_LBH), self._units
        output_BH = torch.empty(len(codes_B), units)
        rows_B = codes_B
        for n, (product, table_RG) in enumerate(zip(self._products, self._tables_RG, strict=True)):
            cells_BH = cells[n, shard]
            sums_BG = as_array(product(hidden_BK[:, units * max(0, n - 1) : units * (n + 1)]))
            # The kernel reads a row of sums before it writes the gates of the row.
            gates.forward(
                rows_B,
                table_RG,
                self._no_bias_G,
                sums_BG,
                sums_BG if sums_BG.dtype == np.float32 else scratch_BG,
                cells_BH,
                cells_BH,
                as_array(output_BH),
            )
            hidden_BK[:, units * n : units * (n + 1)] = output_BH
            rows_B = np.zeros_like(codes_B)
        logits_BV: NDArray[np.float32] = as_array(self._output(output_BH))
        logits_BV += self._output_bias_V
        return logits_BV
