"""The loop of the 8-bit engine in numpy: the same results as the compiled loop, bit for bit.

It runs until the compiled loop is available, or always if numba is not installed.

Shape suffixes: T characters, L layers, G gate rows (4H: i, f, g, o), H units, V characters of the
vocabulary.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.numerics.activations import sigmoid, tanh
from charrnn.sampling.engines.int8.interface import Int8Weights


class NumpyLoop:
    """Read characters with float64 products, which are exact for integers of up to 53 bits."""

    def __init__(self, weights: Int8Weights) -> None:
        self._weights = weights
        self._recurrent_LGH = weights.recurrent_LGH.astype(np.float64)
        self._between_LGH = weights.between_LGH.astype(np.float64)

    def read(
        self,
        codes_T: NDArray[np.integer[Any]],
        hidden_LH: NDArray[np.int16],
        cells_LH: NDArray[np.float32],
    ) -> None:
        """Read characters and update the state in place."""
        weights = self._weights
        for code in codes_T:
            for n, cells_H in enumerate(cells_LH):
                products_G = (self._recurrent_LGH[n] @ hidden_LH[n]).astype(np.float32)
                sums_G = weights.biases_LG[n] + weights.recurrent_scales_LG[n] * products_G
                if n:
                    products_G = (self._between_LGH[n - 1] @ hidden_LH[n - 1]).astype(np.float32)
                    sums_G += weights.between_scales_LG[n - 1] * products_G
                else:
                    sums_G += weights.table_VG[code]
                i_H, f_H, g_H, o_H = sums_G.reshape(4, -1)
                cells_H[:] = sigmoid(f_H) * cells_H + sigmoid(i_H) * tanh(g_H)
                hidden_LH[n] = np.rint(sigmoid(o_H) * tanh(cells_H) * weights.hidden_scale)
