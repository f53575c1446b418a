"""Atomic operations, with which compiled functions on two cores synchronize.

Words are elements of an int64 array. Keep them 64 bytes apart, so that each has its own cache line.
"""

import platform
from typing import Any

from llvmlite import ir
from numba.core import types

from charrnn.numerics.compiled import instruction

_WORD_BYTES = 8
_PAUSE = {"x86_64": "llvm.x86.sse2.pause", "AMD64": "llvm.x86.sse2.pause"}


@instruction
def load_acquire(_: Any, words: Any, index: Any) -> Any:
    """Return a word. All writes before its `store_release` are then visible to this thread."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place = _place(context, builder, signature, values)
        return builder.load_atomic(place, "acquire", _WORD_BYTES)

    return types.int64(words, types.int64), generate


@instruction
def store_release(_: Any, words: Any, index: Any, value: Any) -> Any:
    """Set a word after all earlier writes of this thread."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place = _place(context, builder, signature, values)
        builder.store_atomic(values[2], place, "release", _WORD_BYTES)
        return context.get_dummy_value()

    return types.void(words, types.int64, types.int64), generate


@instruction
def compare_exchange(_: Any, words: Any, index: Any, expected: Any, value: Any) -> Any:
    """Set a word if it has the expected value, atomically; return whether it was set."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place = _place(context, builder, signature, values)
        result = builder.cmpxchg(place, values[2], values[3], "acq_rel", "acquire")
        return builder.extract_value(result, 1)

    return types.boolean(words, types.int64, types.int64, types.int64), generate


@instruction
def pause(_: Any) -> Any:
    """Execute the CPU's pause instruction in a waiting loop, if the CPU has one."""

    def generate(context: Any, builder: Any, _signature: Any, _values: Any) -> Any:
        if name := _PAUSE.get(platform.machine()):
            kind = ir.FunctionType(ir.VoidType(), [])
            builder.call(builder.module.declare_intrinsic(name, fnty=kind), [])
        return context.get_dummy_value()

    return types.void(), generate


@instruction
def prefetch(_: Any, array: Any, index: Any) -> Any:
    """Start to load the cache line of an element into the second-level cache."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        pointer, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        place = builder.bitcast(_place(context, builder, signature, values), pointer)
        kind = ir.FunctionType(ir.VoidType(), [pointer, word, word, word])
        call = builder.module.declare_intrinsic("llvm.prefetch", [pointer], fnty=kind)
        builder.call(call, [place, word(0), word(2), word(1)])
        return context.get_dummy_value()

    return types.void(array, types.int64), generate


def _place(context: Any, builder: Any, signature: Any, values: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, values[0])
    return builder.gep(array.data, [values[1]])
