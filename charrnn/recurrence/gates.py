"""The gates of an LSTM layer at one time step, forward and backward, fused.

Compiled by numba on first use and kept in its cache, so no compiler has to be installed. A call
works on some of the streams, on one core, without Python's lock. Vectors are float32; where memory
is saved they are bfloat16, held as uint16 because numpy has no such type.

Shape suffixes: T steps, B streams, H units, G gate rows (4H: i, f, g, o), N rows of a table.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic
from numpy.typing import NDArray

Array = NDArray[Any]

_ONE, _TWO, _HALF_WORD = np.float32(1), np.float32(2), 16
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


def _compiled(function: Callable[..., None]) -> Any:
    """Compile on first use. Products and sums may be contracted; sums are never reordered."""
    settings: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}}
    try:
        return numba.njit(function, cache=True, **settings)
    except RuntimeError:  # there is no folder that can be written to
        return numba.njit(function, **settings)


def _instruction(typing: Callable[..., Any]) -> Any:
    """Add an operation of the processor that numba has no word for."""
    return intrinsic(typing)


_inlined = numba.njit(inline="always", fastmath={"contract"})


@_instruction
def _power_of_two(_: Any, rounded: Any) -> Any:
    """Return 2**n for the n that `_ROUND` has left in the lowest bits."""

    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        word = ir.IntType(32)
        bits = builder.shl(builder.bitcast(values[0], word), ir.Constant(word, 23))
        return builder.bitcast(bits, ir.FloatType())

    return types.float32(types.float32), generate


@_instruction
def _wide(_: Any, stored: Any) -> Any:
    """Return a stored number, float32 or bfloat16, as float32."""

    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        if stored == types.float32:
            return values[0]
        word = ir.IntType(32)
        bits = builder.shl(builder.zext(values[0], word), ir.Constant(word, _HALF_WORD))
        return builder.bitcast(bits, ir.FloatType())

    return types.float32(stored), generate


@_instruction
def _as_stored(_: Any, number: Any, place: Any) -> Any:
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


@_inlined
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
    p = p * r + _ONE
    return p * _power_of_two(rounded)


@_inlined
def _sigmoid(x: Any) -> Any:
    return _ONE / (_ONE + _exp2(-_LOG2_E * x))


@_inlined
def _tanh(x: Any) -> Any:
    return _TWO / (_ONE + _exp2(-_TWO * _LOG2_E * x)) - _ONE


@_compiled
def forward(
    rows_B: Array,
    sources_NG: Array,
    bias_G: Array,
    recurrent_BG: Array,
    gates_BG: Array,
    before_BH: Array,
    cell_BH: Array,
    hidden_BH: Array,
) -> None:
    """Step some streams forward; write activations, cell and hidden state.

    The input's share of stream b is row `rows_B[b]` of `sources_NG`, which may be the memory of
    `gates_BG` itself. `recurrent_BG` is the hidden state's share.
    """
    streams, units = cell_BH.shape
    sum_G = np.empty(4 * units, np.float32)
    for b in range(streams):
        # The passes are short loops over few arrays each: LLVM turns those into vector code.
        source_G, recurrent_G = sources_NG[rows_B[b]], recurrent_BG[b]
        for j in range(4 * units):
            sum_G[j] = _wide(source_G[j]) + _wide(recurrent_G[j]) + bias_G[j]
        i_and_f, g, o = gates_BG[b, : 2 * units], gates_BG[b, 2 * units : 3 * units], gates_BG[b]
        sum_g, o, sum_o = sum_G[2 * units :], o[3 * units :], sum_G[3 * units :]
        for j in range(2 * units):
            i_and_f[j] = _sigmoid(sum_G[j])
        for j in range(units):
            g[j] = _tanh(sum_g[j])
        for j in range(units):
            o[j] = _sigmoid(sum_o[j])
        i, f = i_and_f[:units], i_and_f[units:]
        before, cell, hidden = before_BH[b], cell_BH[b], hidden_BH[b]
        for j in range(units):
            cell[j] = f[j] * before[j] + i[j] * g[j]
        for j in range(units):
            hidden[j] = _as_stored(o[j] * _tanh(cell[j]), hidden[j])


@_compiled
def backward(
    from_output_BH: Array,
    from_next_BH: Array,
    gates_BG: Array,
    before_BH: Array,
    cell_BH: Array,
    cell_gradient_BH: Array,
    gradient_BG: Array,
) -> None:
    """Step some streams backward; write the gradient before the activations.

    The gradient of the hidden state is the sum of the first two. `cell_gradient_BH` goes from the
    gradient of this step's cell to that of the step before. `gradient_BG` may be the memory of
    `gates_BG` itself.
    """
    streams, units = cell_BH.shape
    activation_G = np.empty(4 * units, np.float32)
    for b in range(streams):
        activation_G[:] = gates_BG[b]
        i, f = activation_G[:units], activation_G[units : 2 * units]
        g, o = activation_G[2 * units : 3 * units], activation_G[3 * units :]
        to_i, to_f = gradient_BG[b, :units], gradient_BG[b, units : 2 * units]
        to_g, to_o = gradient_BG[b, 2 * units : 3 * units], gradient_BG[b, 3 * units :]
        before, cell, through_cell = before_BH[b], cell_BH[b], cell_gradient_BH[b]
        from_output, from_next = from_output_BH[b], from_next_BH[b]
        for j in range(units):
            squashed = _tanh(cell[j])
            hidden = _wide(from_output[j]) + _wide(from_next[j])
            to_o[j] = _as_stored(hidden * squashed * o[j] * (_ONE - o[j]), to_o[j])
            through_cell[j] += hidden * o[j] * (_ONE - squashed * squashed)
        for j in range(units):
            to_i[j] = _as_stored(through_cell[j] * g[j] * i[j] * (_ONE - i[j]), to_i[j])
            to_g[j] = _as_stored(through_cell[j] * i[j] * (_ONE - g[j] * g[j]), to_g[j])
        for j in range(units):
            to_f[j] = _as_stored(through_cell[j] * before[j] * f[j] * (_ONE - f[j]), to_f[j])
            through_cell[j] = through_cell[j] * f[j]


@_compiled
def add_rows(rows_N: Array, gradient_NG: Array, sums_VG: Array) -> None:
    """Add row n of the gradient to row `rows_N[n]` of the sums: the gradient of a look-up."""
    for n in range(len(rows_N)):
        gradient_G, sums_G = gradient_NG[n], sums_VG[rows_N[n]]
        for j in range(len(sums_G)):
            sums_G[j] += _wide(gradient_G[j])
