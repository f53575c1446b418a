"""Integer products of 8-bit weights with 16-bit hidden units: the inner loop of the compiled loop.

Shape suffixes: G gate rows (4H: i, f, g, o), H units (the width of a row).
"""

import os
from typing import Any

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba.core import cgutils as _cgutils
from numba.core import types

from charrnn.numerics.compiled import inlined, instruction

_LANES = 16  # numbers that one instruction of AVX2 multiplies
_BYTE, _SHORT, _WORD, _LONG = (ir.IntType(bits) for bits in (8, 16, 32, 64))
cgutils: Any = _cgutils
_FOUR = types.UniTuple(types.int32, 4)  # type: ignore[no-untyped-call]


@instruction
def _multiply_add(_: Any, total: Any, left: Any, right: Any) -> Any:
    """Return total + left * right in 32 bits. LLVM vectorizes this operation."""

    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        product = builder.mul(builder.sext(values[1], _WORD), builder.sext(values[2], _WORD))
        return builder.add(values[0], product)

    return types.int32(types.int32, types.int16, types.int8), generate


@inlined
def multiply_gates_portable(hidden_H: Any, weights_GH: Any, j: Any) -> Any:
    """Return the products of the four gate rows of unit j with the hidden units, on any CPU."""
    units = len(weights_GH) // 4
    i, f = weights_GH[j], weights_GH[units + j]
    g, o = weights_GH[2 * units + j], weights_GH[3 * units + j]
    to_i = to_f = to_g = to_o = np.int32(0)
    for k in range(len(hidden_H)):
        to_i = _multiply_add(to_i, hidden_H[k], i[k])
        to_f = _multiply_add(to_f, hidden_H[k], f[k])
        to_g = _multiply_add(to_g, hidden_H[k], g[k])
        to_o = _multiply_add(to_o, hidden_H[k], o[k])
    return to_i, to_f, to_g, to_o


@instruction
def multiply_gates_avx2(_: Any, hidden_H: Any, weights_GH: Any, j: Any) -> Any:
    """Return the same with `vpmaddwd` on full registers; LLVM alone uses half of each register."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        hidden = context.make_array(signature.args[0])(context, builder, values[0])
        weights = context.make_array(signature.args[1])(context, builder, values[1])
        rows, width = cgutils.unpack_tuple(builder, weights.shape, 2)
        units = builder.udiv(rows, _LONG(4))
        heads = [
            builder.gep(
                weights.data,
                [builder.mul(builder.add(builder.mul(units, _LONG(gate)), values[2]), width)],
            )
            for gate in range(4)
        ]
        blocks = builder.udiv(width, _LONG(_LANES))
        totals = _multiply_blocks(builder, hidden.data, heads, blocks)
        _multiply_rest(builder, hidden.data, heads, totals, blocks, width)
        return context.make_tuple(
            builder, signature.return_type, [builder.load(total) for total in totals]
        )

    return _FOUR(hidden_H, weights_GH, types.int64), generate


def _multiply_blocks(builder: Any, hidden: Any, heads: list[Any], blocks: Any) -> list[Any]:
    """Emit the products of full registers; return pointers to the sum of each row."""
    bytes_, shorts = ir.VectorType(_BYTE, _LANES), ir.VectorType(_SHORT, _LANES)
    words = ir.VectorType(_WORD, _LANES // 2)
    multiply = builder.module.declare_intrinsic(
        "llvm.x86.avx2.pmadd.wd", fnty=ir.FunctionType(words, [shorts, shorts])
    )
    reduce_add = builder.module.declare_intrinsic(
        f"llvm.vector.reduce.add.v{_LANES // 2}i32", fnty=ir.FunctionType(_WORD, [words])
    )
    partial = [
        cgutils.alloca_once_value(builder, ir.Constant(words, [0] * (_LANES // 2))) for _ in heads
    ]

    def vector(data: Any, at: Any, kind: Any, align: int) -> Any:
        place = builder.bitcast(builder.gep(data, [at]), kind.as_pointer())
        return builder.load(place, align=align)

    with cgutils.for_range(builder, blocks) as loop:
        at = builder.mul(loop.index, _LONG(_LANES))
        units_16 = vector(hidden, at, shorts, 2)
        for head, sums in zip(heads, partial, strict=True):
            row_16 = builder.sext(vector(head, at, bytes_, 1), shorts)
            product = builder.call(multiply, [units_16, row_16])
            builder.store(builder.add(builder.load(sums), product), sums)
    return [
        cgutils.alloca_once_value(builder, builder.call(reduce_add, [builder.load(sums)]))
        for sums in partial
    ]


def _multiply_rest(
    builder: Any, hidden: Any, heads: list[Any], totals: list[Any], blocks: Any, width: Any
) -> None:
    """Emit the products of the units after the last full register, one at a time."""
    first = builder.mul(blocks, _LONG(_LANES))
    with cgutils.for_range_slice(builder, first, width, _LONG(1), _LONG) as (at, _count):
        unit = builder.sext(builder.load(builder.gep(hidden, [at])), _WORD)
        for head, total in zip(heads, totals, strict=True):
            weight = builder.sext(builder.load(builder.gep(head, [at])), _WORD)
            builder.store(builder.add(builder.load(total), builder.mul(unit, weight)), total)


def _has_avx2() -> bool:
    is_overridden = "NUMBA_CPU_NAME" in os.environ or "NUMBA_CPU_FEATURES" in os.environ
    return not is_overridden and bool(llvmlite.binding.get_host_cpu_features().get("avx2"))


multiply_gates = multiply_gates_avx2 if _has_avx2() else multiply_gates_portable
