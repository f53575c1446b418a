"""What compiled functions are made of: how to compile them, and their mathematics.

numba compiles on first use and keeps the result in its cache, so no compiler has to be installed.
Numbers are float32; where memory is saved they are bfloat16, held as uint16 because numpy has no
such type.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

ONE, _TWO, _HALF_WORD = np.float32(1), np.float32(2), 16
_LOG2_E = np.float32(1.4426950408889634)
# Adding this to a number below 2**22 leaves the nearest integer, plus the bias of a float32's
# exponent, in the lowest bits of the sum.
_ROUND = np.float32(1.5 * 2**23 + 127)
_MOST = np.float32(126)  # as a power of two: beyond, float32 has no normal number
# 2**r on [-1/2, 1/2], highest power first, as in exp2f of Moshier's Cephes library (1992).
_POWERS = tuple(
    np.float32(each)
    for each in (
        1.535336188319500e-4,
        1.339887440266574e-3,
        9.618437357674640e-3,
        5.550332471162809e-2,
        2.402264791363012e-1,
        6.931472028550421e-1,
    )
)


def compiled(function: Callable[..., Any]) -> Any:
    """Compile on first use. Products and sums may be contracted; sums are never reordered."""
    settings: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}}
    try:
        return numba.njit(function, cache=True, **settings)
    except RuntimeError:  # there is no folder that can be written to
        return numba.njit(function, **settings)


def instruction(typing: Callable[..., Any]) -> Any:
    """Add an operation of the processor that numba has no word for."""
    return intrinsic(typing)


inlined = numba.njit(inline="always", fastmath={"contract"})
"""Compile into the functions that call it."""


@instruction
def _power_of_two(_: Any, rounded: Any) -> Any:
    """Return 2**n for the n that `_ROUND` has left in the lowest bits."""

    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        word = ir.IntType(32)
        bits = builder.shl(builder.bitcast(values[0], word), ir.Constant(word, 23))
        return builder.bitcast(bits, ir.FloatType())

    return types.float32(types.float32), generate


@instruction
def wide(_: Any, stored: Any) -> Any:
    """Return a stored number, float32 or bfloat16, as float32."""

    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        if stored == types.float32:
            return values[0]
        word = ir.IntType(32)
        bits = builder.shl(builder.zext(values[0], word), ir.Constant(word, _HALF_WORD))
        return builder.bitcast(bits, ir.FloatType())

    return types.float32(stored), generate


@instruction
def as_stored(_: Any, number: Any, place: Any) -> Any:
    """Return a float32 as `place` holds numbers: itself, or the nearest bfloat16, ties to even."""

    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        if place == types.float32:
            return values[0]
        word = ir.IntType(32)
        bits = builder.bitcast(values[0], word)
        shift = ir.Constant(word, _HALF_WORD)
        odd = builder.and_(builder.lshr(bits, shift), ir.Constant(word, 1))
        bits = builder.add(bits, builder.add(odd, ir.Constant(word, 0x7FFF)))
        return builder.trunc(builder.lshr(bits, shift), ir.IntType(_HALF_WORD))

    return place(types.float32, place), generate


@inlined
def _exp2(x: Any) -> Any:
    x = _MOST if x > _MOST else x  # so written, what is not a number stays so
    x = -_MOST if x < -_MOST else x
    rounded = x + _ROUND
    r = x - (rounded - _ROUND)
    p = _POWERS[0]
    p = p * r + _POWERS[1]
    p = p * r + _POWERS[2]
    p = p * r + _POWERS[3]
    p = p * r + _POWERS[4]
    p = p * r + _POWERS[5]
    p = p * r + ONE
    return p * _power_of_two(rounded)


@inlined
def sigmoid(x: Any) -> Any:
    """Return 1 / (1 + exp(-x)), to 1e-7."""
    return ONE / (ONE + _exp2(-_LOG2_E * x))


@inlined
def tanh(x: Any) -> Any:
    """Return the hyperbolic tangent, to 2e-7."""
    return _TWO / (ONE + _exp2(-_TWO * _LOG2_E * x)) - ONE
