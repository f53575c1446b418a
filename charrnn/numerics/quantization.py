"""Weights in 8 bits: each row is integers from -127 to 127 with one scale.

Shape suffixes: R rows, K columns.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_INT8 = 127  # -128 is not used, so that the range is symmetric


class Quantized(NamedTuple):
    """Weights as 8-bit integers (..., R, K), and the scale of each row (..., R)."""

    numbers: NDArray[np.int8]
    scales: NDArray[np.float32]

    def dequantize(self) -> NDArray[np.float32]:
        """Return the weights as float32."""
        return self.numbers.astype(np.float32) * self.scales[..., None]


def quantize(weights: NDArray[np.float32]) -> Quantized:
    """Round each row (..., R, K) to multiples of its largest absolute weight / 127."""
    scales = np.abs(weights).max(axis=-1) / MAX_INT8
    scales = np.where(scales > 0, scales, 1).astype(np.float32)
    return Quantized(np.rint(weights / scales[..., None]).astype(np.int8), scales)
