"""What compiled functions are made of: how to compile them, and their mathematics.

numba compiles on first use and keeps the result in its cache, so no compiler has to be installed.
Numbers are float32; where memory is saved they are bfloat16, held as uint16 because numpy has no
such type.
"""

from collections.abc import Callable
from typing import Any

import numba
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from charrnn.numerics.activations import (
    COEFFICIENTS,
    EXPONENT_BIT,
    LOG2_E,
    MAX_EXPONENT,
    ONE,
    ROUND,
    TWO,
)

_HALF_WORD = 16


def compiled(function: Callable[..., Any]) -> Any:
    """Compile on first use. Products and sums may be contracted; sums are never reordered."""
    return _compiled(function, fastmath={"contract"})


def compiled_exactly(function: Callable[..., Any]) -> Any:
    """Compile on first use. Each operation is rounded as numpy rounds it, on any processor."""
    return _compiled(function, fastmath=False)


def _compiled(function: Callable[..., Any], **settings: Any) -> Any:
    settings |= {"nogil": True, "error_model": "numpy"}
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
    """Return 2**n for the n that `ROUND` has left in the lowest bits."""

    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        word = ir.IntType(32)
        bits = builder.shl(builder.bitcast(values[0], word), ir.Constant(word, EXPONENT_BIT))
        return builder.bitcast(bits, ir.FloatType())

    return types.float32(types.float32), generate


@instruction
def to_float32(_: Any, stored: Any) -> Any:
    """Return a stored number, float32 or bfloat16, as float32."""

    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        if stored == types.float32:
            return values[0]
        word = ir.IntType(32)
        bits = builder.shl(builder.zext(values[0], word), ir.Constant(word, _HALF_WORD))
        return builder.bitcast(bits, ir.FloatType())

    return types.float32(stored), generate


@instruction
def from_float32(_: Any, number: Any, place: Any) -> Any:
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
    x = MAX_EXPONENT if x > MAX_EXPONENT else x  # so written, what is not a number stays so
    x = -MAX_EXPONENT if x < -MAX_EXPONENT else x
    rounded = x + ROUND
    r = x - (rounded - ROUND)
    p = COEFFICIENTS[0]
    p = p * r + COEFFICIENTS[1]
    p = p * r + COEFFICIENTS[2]
    p = p * r + COEFFICIENTS[3]
    p = p * r + COEFFICIENTS[4]
    p = p * r + COEFFICIENTS[5]
    p = p * r + ONE
    return p * _power_of_two(rounded)


@inlined
def sigmoid(x: Any) -> Any:
    """Return 1 / (1 + exp(-x)), to 1e-7."""
    return ONE / (ONE + _exp2(-LOG2_E * x))


@inlined
def tanh(x: Any) -> Any:
    """Return the hyperbolic tangent, to 2e-7."""
    return TWO / (ONE + _exp2(-TWO * LOG2_E * x)) - ONE
