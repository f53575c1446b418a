"""How two compiled functions on two cores tell each other where they are.

Words are the elements of an array of int64; keep them 64 bytes apart, a line of a cache each.
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
    """Return a word; what was written before it was stored can be read from here on."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place = _place(context, builder, signature, values)
        return builder.load_atomic(place, "acquire", _WORD_BYTES)

    return types.int64(words, types.int64), generate


@instruction
def store_release(_: Any, words: Any, index: Any, value: Any) -> Any:
    """Set a word, after all that was written before."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place = _place(context, builder, signature, values)
        builder.store_atomic(values[2], place, "release", _WORD_BYTES)
        return context.get_dummy_value()

    return types.void(words, types.int64, types.int64), generate


@instruction
def compare_exchange(_: Any, words: Any, index: Any, expected: Any, value: Any) -> Any:
    """Set a word if it is as expected, which no one else can change meanwhile; return whether."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place = _place(context, builder, signature, values)
        result = builder.cmpxchg(place, values[2], values[3], "acq_rel", "acquire")
        return builder.extract_value(result, 1)

    return types.boolean(words, types.int64, types.int64, types.int64), generate


@instruction
def pause(_: Any) -> Any:
    """Tell the processor that this loop only waits, where it has a word for that."""

    def generate(context: Any, builder: Any, _signature: Any, _values: Any) -> Any:
        if name := _PAUSE.get(platform.machine()):
            kind = ir.FunctionType(ir.VoidType(), [])
            builder.call(builder.module.declare_intrinsic(name, fnty=kind), [])
        return context.get_dummy_value()

    return types.void(), generate


def _place(context: Any, builder: Any, signature: Any, values: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, values[0])
    return builder.gep(array.data, [values[1]])
