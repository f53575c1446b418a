"""Matrix products on a processor, in float32 or bfloat16, with weights packed once for many.

Shape suffixes: M rows, K columns, N rows of the weights.
"""

import functools
from collections.abc import Callable
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from charrnn.numerics.precision import has_bfloat16

Product = Callable[[Tensor], Tensor]

# Multiplications below which oneDNN's packed product loses more to being called than it gains:
# measured on two AVX2 cores, where it takes 60 microseconds however small the product is.
_WORTH_PACKING = 6_000_000


def packed(weight_NK: Tensor, rows: int) -> Product:
    """Return the function x_MK -> x @ weight.T, fastest for `rows` rows.

    x and result have the dtype of the weights. A product of bfloat16 numbers adds up in float32; a
    processor without instructions for that computes in float32 throughout, to the same rounding.
    """
    if weight_NK.dtype == torch.bfloat16 and not has_bfloat16():
        product = packed(weight_NK.float(), rows)
        return lambda x_MK: product(x_MK.float()).bfloat16()
    if rows * weight_NK.numel() >= _WORTH_PACKING and _can_pack(weight_NK.dtype):
        return _pack(weight_NK, rows)
    weight_KN = weight_NK.t().contiguous()
    return lambda x_MK: torch.mm(x_MK, weight_KN)


def multiply(a_MK: Tensor, b_KN: Tensor, out_MN: Tensor | None = None) -> Tensor:
    """Return a @ b in their dtype, written to `out_MN` if given; see `packed` on bfloat16."""
    if a_MK.dtype == torch.bfloat16 and not has_bfloat16():
        product_MN = torch.mm(a_MK.float(), b_KN.float())
        return product_MN.bfloat16() if out_MN is None else out_MN.copy_(product_MN)
    return torch.mm(a_MK, b_KN, out=out_MN)


def as_array(tensor: Tensor) -> NDArray[Any]:
    """Return the memory of a tensor as numpy sees it, bfloat16 as uint16."""
    tensor = tensor.detach() if tensor.requires_grad else tensor
    array: NDArray[Any] = (
        tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor
    ).numpy()
    return array


def _pack(weight_NK: Tensor, rows: int) -> Product:
    """Return the product by torch's private operators, which are oneDNN's: see `_can_pack`."""
    packed_weight = torch.ops.mkldnn._reorder_linear_weight(weight_NK.contiguous(), rows)
    linear = torch.ops.mkldnn._linear_pointwise
    return lambda x_MK: linear(x_MK, packed_weight, None, "none", [], "")


@functools.cache
def _can_pack(dtype: torch.dtype) -> bool:
    """Whether torch's private operators for packed weights are there and compute what they should.

    They belong to the oneDNN library, which torch has on x86 and on some other processors.
    """
    draws = torch.Generator().manual_seed(0)
    x_MK = torch.randn(16, 64, generator=draws).to(dtype)
    weight_NK = torch.randn(32, 64, generator=draws).to(dtype)
    try:
        result = _pack(weight_NK, 16)(x_MK)
        return torch.allclose(result.float(), x_MK.float() @ weight_NK.float().t(), 0.02, 0.02)
    except (AttributeError, NotImplementedError, RuntimeError, TypeError):
        return False
