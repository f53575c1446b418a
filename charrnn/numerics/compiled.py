"""Compile functions with numba, and the mathematical functions that they call.

numba compiles a function at the first call and caches the result, so users need no C compiler.
Numbers are float32. Arrays can be bfloat16 to save memory; they are stored as uint16, because numpy
has no bfloat16.
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
    """Compile at the first call. Products and sums may be fused; sums are never reordered."""
    return _compiled(function, fastmath={"contract"})


def compiled_exactly(function: Callable[..., Any]) -> Any:
    """Compile at the first call. Each operation is rounded as in numpy, on any CPU."""
    return _compiled(function, fastmath=False)


def compiled_part(function: Callable[..., Any]) -> Any:
    """Compile a function that only compiled functions call and that allocates nothing: faster.

    It converts no arguments from Python and counts no references.
    """
    settings: dict[str, Any] = {"_nrt": False, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    settings |= {"fastmath": {"contract"}, "error_model": "numpy", "nogil": True}
    return numba.njit(function, **settings)


def _compiled(function: Callable[..., Any], **settings: Any) -> Any:
    settings |= {"nogil": True, "error_model": "numpy"}
    try:
        return numba.njit(function, cache=True, **settings)
    except RuntimeError:  # no cache folder is writable
        return numba.njit(function, **settings)


def instruction(typing: Callable[..., Any]) -> Any:
    """Define an operation that numba lacks, as LLVM instructions."""
    return intrinsic(typing)


inlined = numba.njit(inline="always", fastmath={"contract"})
"""Decorator: compile the function into its callers."""


@instruction
def _power_of_two(_: Any, rounded: Any) -> Any:
    """Return 2**n for the n that adding `ROUND` has put into the lowest bits."""

    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        word = ir.IntType(32)
        bits = builder.shl(builder.bitcast(values[0], word), ir.Constant(word, EXPONENT_BIT))
        return builder.bitcast(bits, ir.FloatType())

    return types.float32(types.float32), generate


@instruction
def to_float32(_: Any, stored: Any) -> Any:
    """Return a float32 or a stored bfloat16 as float32."""

    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        if stored == types.float32:
            return values[0]
        word = ir.IntType(32)
        bits = builder.shl(builder.zext(values[0], word), ir.Constant(word, _HALF_WORD))
        return builder.bitcast(bits, ir.FloatType())

    return types.float32(stored), generate


@instruction
def from_float32(_: Any, number: Any, like: Any) -> Any:
    """Convert a float32 to the type of `like`: float32, or the nearest bfloat16, ties to even."""

    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        if like == types.float32:
            return values[0]
        word = ir.IntType(32)
        bits = builder.bitcast(values[0], word)
        shift = ir.Constant(word, _HALF_WORD)
        odd = builder.and_(builder.lshr(bits, shift), ir.Constant(word, 1))
        bits = builder.add(bits, builder.add(odd, ir.Constant(word, 0x7FFF)))
        return builder.trunc(builder.lshr(bits, shift), ir.IntType(_HALF_WORD))

    return like(types.float32, like), generate


@inlined
def _exp2(x: Any) -> Any:
    x = MAX_EXPONENT if x > MAX_EXPONENT else x  # this form of the comparison keeps NaN
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
