"""The engine for one text on a CPU: 8-bit weights, without torch.

Each character reads all weights once, so the time depends on their size in bytes. Hidden units,
between -1 and 1, are 16-bit integers; their products with a row of weights are added exactly in 32
bits. The loop over characters is compiled if numba is available.

Shape suffixes: T characters, B samples, V characters of the vocabulary, L layers, G gate rows (4H:
i, f, g, o), H units.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.config.model import ModelConfig
from charrnn.data.vocabulary import Codes, Vocabulary
from charrnn.sampling.engines.int8.interface import Int8Weights, Loop
from charrnn.sampling.engines.int8.switching_loop import SwitchingLoop
from charrnn.sampling.engines.int8.weights import quantize_lstm
from charrnn.sampling.engines.interface import SamplingEngine, add_separator

Int8State = tuple[NDArray[np.int16], NDArray[np.float32]]
"""Hidden units as integers, and cells: (B, L, H) each."""


class Int8Engine(SamplingEngine):
    """Run an LSTM, given as arrays; see `SamplingEngine`."""

    def __init__(
        self,
        arrays: Mapping[str, NDArray[Any]],
        config: ModelConfig,
        vocabulary: Vocabulary,
        line_start: str,
        make_loop: Callable[[Int8Weights], Loop] = SwitchingLoop,
        *,
        separator_code: int | None = None,
    ) -> None:
        self.vocabulary = vocabulary
        self.line_start, self.separator_code = line_start, separator_code
        self._shape = (config.num_layers, config.hidden_size)
        weights = quantize_lstm(arrays, config)
        self._loop = make_loop(weights)
        self._output_HV: NDArray[Any] = np.ascontiguousarray(
            arrays["output.weight"].T / weights.hidden_scale
        )
        self._output_bias_V = arrays["output.bias"]

    def read(self, codes_T: Codes) -> tuple[NDArray[np.float32], Int8State]:
        """Read a prompt from the initial state; see `SamplingEngine`."""
        codes_T = add_separator(codes_T, self.separator_code)
        hidden_LH, cells_LH = np.zeros(self._shape, np.int16), np.zeros(self._shape, np.float32)
        self._loop.read(codes_T, hidden_LH, cells_LH)
        return self._logits(hidden_LH[None]), (hidden_LH[None], cells_LH[None])

    def select_samples(self, state: Int8State, samples_B: NDArray[np.int64]) -> Int8State:
        """Return the state of the samples with these numbers."""
        hidden_BLH, cells_BLH = state
        return hidden_BLH[samples_B], cells_BLH[samples_B]

    def step(
        self, state: Int8State, codes_B: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], Int8State]:
        """Read one character for each sample."""
        hidden_BLH, cells_BLH = state[0].copy(), state[1].copy()
        for sample in range(len(codes_B)):
            code_1 = codes_B[sample : sample + 1]
            self._loop.read(code_1, hidden_BLH[sample], cells_BLH[sample])
        return self._logits(hidden_BLH), (hidden_BLH, cells_BLH)

    def _logits(self, hidden_BLH: NDArray[np.int16]) -> NDArray[np.float32]:
        logits_BV: NDArray[np.float32] = hidden_BLH[:, -1].astype(np.float32) @ self._output_HV
        logits_BV += self._output_bias_V
        return logits_BV
