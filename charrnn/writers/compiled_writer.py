"""The writer for one text on a processor: a compiled loop over 8-bit weights, without torch.

A character costs one reading of all weights, so what counts is how few bytes they are. Hidden
units, between -1 and 1, are whole numbers of 16 bits; a product of theirs with a row of weights is
summed up exactly, in 32 bits.

Shape suffixes: T characters, B samples, V characters of the vocabulary, L layers, G gate rows (4H:
i, f, g, o), H units.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numpy.typing import NDArray

from charrnn.compiled import compiled, inlined, instruction, sigmoid, tanh
from charrnn.config import ModelConfig
from charrnn.corpus import Codes, Vocabulary
from charrnn.quantization import LARGEST, quantize
from charrnn.writers import Writer

_MOST_SUM = 2**31 - 1
_MOST_HIDDEN = 2**15 - 1

CompiledState = tuple[NDArray[np.int16], NDArray[np.float32]]
"""Hidden units as whole numbers, and cells: (B, L, H) each."""


class CompiledWriter(Writer):
    """Drive an LSTM, given as arrays; see `charrnn.writers.Writer`."""

    def __init__(
        self,
        arrays: Mapping[str, NDArray[Any]],
        config: ModelConfig,
        vocabulary: Vocabulary,
        line_start: str,
    ) -> None:
        self.vocabulary = vocabulary
        self.line_start = line_start
        layers, units = range(config.num_layers), config.hidden_size
        self._shape = (config.num_layers, units)
        self._unit = min(_MOST_HIDDEN, _MOST_SUM // (LARGEST * units))  # stands for 1
        biases_LG = np.stack([arrays[f"bias_ih_l{n}"] + arrays[f"bias_hh_l{n}"] for n in layers])
        recurrent = quantize(np.stack([arrays[f"weight_hh_l{n}"] for n in layers]))
        above_LGH = [arrays[f"weight_ih_l{n}"] for n in layers[1:]]
        between = quantize(np.stack(above_LGH) if above_LGH else np.zeros((1, 1, 1), np.float32))
        self._weights = (
            np.ascontiguousarray(arrays["weight_ih_l0"].T, dtype=np.float32),
            biases_LG.astype(np.float32),
            recurrent.numbers,
            recurrent.scales / np.float32(self._unit),
            between.numbers,
            between.scales / np.float32(self._unit),
        )
        self._output_HV: NDArray[Any] = np.ascontiguousarray(
            arrays["output.weight"].T / np.float32(self._unit)
        )
        self._output_bias_V = arrays["output.bias"]

    def read(self, codes_T: Codes) -> tuple[NDArray[np.float32], CompiledState]:
        """Read a prompt from a blank state."""
        hidden_LH, cells_LH = np.zeros(self._shape, np.int16), np.zeros(self._shape, np.float32)
        _advance(codes_T.astype(np.int64), *self._weights, hidden_LH, cells_LH, self._unit)
        return self._logits(hidden_LH[None]), (hidden_LH[None], cells_LH[None])

    def repeat(self, state: CompiledState, num_samples: int) -> CompiledState:
        """Return the state of one sample as that of many."""
        hidden_BLH, cells_BLH = state
        return hidden_BLH.repeat(num_samples, axis=0), cells_BLH.repeat(num_samples, axis=0)

    def step(
        self, state: CompiledState, codes_B: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], CompiledState]:
        """Read one character for each sample."""
        hidden_BLH, cells_BLH = state[0].copy(), state[1].copy()
        for sample in range(len(codes_B)):
            code_1 = codes_B[sample : sample + 1]
            _advance(code_1, *self._weights, hidden_BLH[sample], cells_BLH[sample], self._unit)
        return self._logits(hidden_BLH), (hidden_BLH, cells_BLH)

    def _logits(self, hidden_BLH: NDArray[np.int16]) -> NDArray[np.float32]:
        logits_BV: NDArray[np.float32] = hidden_BLH[:, -1].astype(np.float32) @ self._output_HV
        logits_BV += self._output_bias_V
        return logits_BV


@instruction
def _plus_product(_: Any, total: Any, left: Any, right: Any) -> Any:
    """Return total + left * right in 32 bits, which processors do many of at a time."""

    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        word = ir.IntType(32)
        product = builder.mul(builder.sext(values[1], word), builder.sext(values[2], word))
        return builder.add(values[0], product)

    return types.int32(types.int32, types.int16, types.int8), generate


@inlined
def _dot(hidden_H: Any, row_H: Any) -> Any:
    total = np.int32(0)
    for j in range(len(row_H)):
        total = _plus_product(total, hidden_H[j], row_H[j])
    return total


@compiled
def _advance(
    codes_T: Any,
    table_VG: Any,
    biases_LG: Any,
    recurrent_LGH: Any,
    recurrent_scales_LG: Any,
    between_LGH: Any,
    between_scales_LG: Any,
    hidden_LH: Any,
    cells_LH: Any,
    unit: Any,
) -> None:
    """Read characters, one after another; the state goes along in place."""
    layers, units = cells_LH.shape
    sums_G = np.empty(4 * units, np.float32)
    for code in codes_T:
        for n in range(layers):
            hidden_H, cells_H = hidden_LH[n], cells_LH[n]
            for g in range(4 * units):
                total = biases_LG[n, g] + recurrent_scales_LG[n, g] * np.float32(
                    _dot(hidden_H, recurrent_LGH[n, g])
                )
                if n:
                    total += between_scales_LG[n - 1, g] * np.float32(
                        _dot(hidden_LH[n - 1], between_LGH[n - 1, g])
                    )
                else:
                    total += table_VG[code, g]
                sums_G[g] = total
            i, f = sums_G[:units], sums_G[units : 2 * units]
            g_, o = sums_G[2 * units : 3 * units], sums_G[3 * units :]
            for j in range(units):
                cells_H[j] = sigmoid(f[j]) * cells_H[j] + sigmoid(i[j]) * tanh(g_[j])
                hidden_H[j] = np.int16(np.rint(sigmoid(o[j]) * tanh(cells_H[j]) * unit))
