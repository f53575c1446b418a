"""The logistic function and the hyperbolic tangent of float32 arrays, in numpy.

`charrnn.numerics.compiled` does the same operations in the same order. With `compiled_exactly`, the
results agree bit for bit.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

ONE, TWO = np.float32(1), np.float32(2)
LOG2_E = np.float32(1.4426950408889634)
# Adding this to a number below 2**22 leaves the nearest integer, plus the bias of a float32's
# exponent, in the lowest bits of the sum.
ROUND = np.float32(1.5 * 2**23 + 127)
MAX_EXPONENT = np.float32(126)  # of two; float32 has no normal numbers beyond it
# Polynomial of 2**r on [-1/2, 1/2], highest power first, from exp2f of Moshier's Cephes (1992).
COEFFICIENTS = tuple(
    np.float32(coefficient)
    for coefficient in (
        1.535336188319500e-4,
        1.339887440266574e-3,
        9.618437357674640e-3,
        5.550332471162809e-2,
        2.402264791363012e-1,
        6.931472028550421e-1,
    )
)
EXPONENT_BIT = 23  # lowest bit of the exponent of a float32


def sigmoid(x: Floats) -> Floats:
    """Return 1 / (1 + exp(-x)), to 1e-7."""
    return ONE / (ONE + _exp2(-LOG2_E * x))


def tanh(x: Floats) -> Floats:
    """Return the hyperbolic tangent, to 2e-7."""
    return TWO / (ONE + _exp2(-TWO * LOG2_E * x)) - ONE


def _exp2(x: Floats) -> Floats:
    x = np.clip(x, -MAX_EXPONENT, MAX_EXPONENT)
    rounded = x + ROUND
    r = x - (rounded - ROUND)
    p: Any = COEFFICIENTS[0]
    for coefficient in (*COEFFICIENTS[1:], ONE):
        p = p * r + coefficient
    power_of_two: Floats = (rounded.view(np.int32) << EXPONENT_BIT).view(np.float32)
    result: Floats = p * power_of_two
    return result
