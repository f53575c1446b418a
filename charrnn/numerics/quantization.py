"""Weights in 8 bits: a row of whole numbers from -127 to 127, and what one of them is worth.

Shape suffixes: R rows, K columns.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LARGEST = 127  # -128 is left out, so that both signs reach equally far


class Quantized(NamedTuple):
    """Weights as whole numbers (..., R, K), and the scale of each row (..., R)."""

    numbers: NDArray[np.int8]
    scales: NDArray[np.float32]

    def restored(self) -> NDArray[np.float32]:
        """Return the weights that the numbers stand for."""
        return self.numbers.astype(np.float32) * self.scales[..., None]


def quantize(weights: NDArray[np.float32]) -> Quantized:
    """Round each row (..., R, K) to the nearest multiples of its largest weight / 127."""
    scales = np.abs(weights).max(axis=-1) / LARGEST
    scales = np.where(scales > 0, scales, 1).astype(np.float32)
    return Quantized(np.rint(weights / scales[..., None]).astype(np.int8), scales)
