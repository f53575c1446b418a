"""Matrix products on a CPU, in float32 or bfloat16, with weights packed once for many products.

Shape suffixes: M rows, K columns, N rows of the weights.
"""

import functools
from collections.abc import Callable
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from charrnn.numerics.precision import has_bfloat16

MatmulFunction = Callable[[Tensor], Tensor]

# Smallest number of multiplications for which oneDNN's packed product is faster. Measured on two
# AVX2 cores, where a call takes at least 60 microseconds.
_MIN_PACKED_SIZE = 6_000_000
_PACKED_ROWS = (64, 1)  # numbers of rows to pack weights for, in the order in which they are tried
_TESTED_ROWS = (1, 2, 16, 32, 33, 37, 64)
_BLOCK = 16  # rows


def prepare_matmul(weight_NK: Tensor, rows: int) -> MatmulFunction:
    """Return the function x_MK -> x @ weight.T, tuned for `rows` rows.

    x and the result have the dtype of the weights. Products of bfloat16 numbers are added in
    float32. A CPU without bfloat16 instructions computes in float32 and rounds the result.
    """
    if weight_NK.dtype == torch.bfloat16 and not has_bfloat16():
        product = prepare_matmul(weight_NK.float(), rows)
        return lambda x_MK: product(x_MK.float()).bfloat16()
    if rows * weight_NK.numel() >= _MIN_PACKED_SIZE and _can_pack(weight_NK.dtype):
        return _pack(weight_NK, rows)
    weight_KN = weight_NK.t().contiguous()
    return lambda x_MK: torch.mm(x_MK, weight_KN)


def prepare_row_matmul(weight_NK: Tensor) -> MatmulFunction:
    """Return the product of `prepare_matmul`, but the result of a row never depends on other rows.

    oneDNN chooses the order of a sum by the number of rows, and by the number that the weights were
    packed for. On a CPU with AMX, products in bfloat16 of 32, 36 and 64 rows differ if the weights
    were packed for 64 rows, but not if they were packed for one; products in float32 differ if they
    were packed for one. So the products are compared here. If no packing passes, each product has
    16 rows.
    """
    if max(_PACKED_ROWS) * weight_NK.numel() >= _MIN_PACKED_SIZE and _can_pack(weight_NK.dtype):
        rows = _find_independent_packing(*weight_NK.shape, weight_NK.dtype)
        if rows is not None:
            return _pack(weight_NK, rows)
    product = prepare_matmul(weight_NK, _BLOCK)

    def multiply_blocks(x_MK: Tensor) -> Tensor:
        padded_MK = pad(x_MK, (0, 0, 0, -len(x_MK) % _BLOCK))
        return torch.cat([product(block_MK) for block_MK in torch.split(padded_MK, _BLOCK)])[
            : len(x_MK)
        ]

    return multiply_blocks


@functools.cache
def _find_independent_packing(size_n: int, size_k: int, dtype: torch.dtype) -> int | None:
    """Return for how many rows to pack weights of this shape so that rows are independent.

    Products of different numbers of random rows then have the same first rows. None if no packing
    has this property.
    """
    generator = torch.Generator().manual_seed(0)
    weight_NK = torch.randn(size_n, size_k, generator=generator).to(dtype)
    x_MK = torch.randn(max(_TESTED_ROWS), size_k, generator=generator).to(dtype)
    for packed_rows in _PACKED_ROWS:
        product = _pack(weight_NK, packed_rows)
        expected_MN = product(x_MK)
        if all(torch.equal(product(x_MK[:rows]), expected_MN[:rows]) for rows in _TESTED_ROWS):
            return packed_rows
    return None


def matmul(a_MK: Tensor, b_KN: Tensor, out_MN: Tensor | None = None) -> Tensor:
    """Return a @ b in their dtype, in `out_MN` if it is given; see `prepare_matmul` on bfloat16."""
    if a_MK.dtype == torch.bfloat16 and not has_bfloat16():
        product_MN = torch.mm(a_MK.float(), b_KN.float())
        return product_MN.bfloat16() if out_MN is None else out_MN.copy_(product_MN)
    return torch.mm(a_MK, b_KN, out=out_MN)


def as_array(tensor: Tensor) -> NDArray[Any]:
    """Return a numpy array that shares the memory of a tensor; bfloat16 becomes uint16."""
    tensor = tensor.detach() if tensor.requires_grad else tensor
    array: NDArray[Any] = (
        tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor
    ).numpy()
    return array


def _pack(weight_NK: Tensor, rows: int) -> MatmulFunction:
    """Return the product with oneDNN's packed weights, through private operators of torch."""
    packed_weight = torch.ops.mkldnn._reorder_linear_weight(weight_NK.contiguous(), rows)
    linear = torch.ops.mkldnn._linear_pointwise
    return lambda x_MK: linear(x_MK, packed_weight, None, "none", [], "")


def _can_pack(dtype: torch.dtype) -> bool:
    """Whether oneDNN is enabled and computes products with packed weights correctly."""
    return bool(torch.backends.mkldnn.enabled) and _packs_correctly(dtype)


@functools.cache
def _packs_correctly(dtype: torch.dtype) -> bool:
    """Whether torch's private operators for packed weights exist and compute correctly.

    They belong to the oneDNN library, which torch includes on x86 and on some other CPUs.
    """
    generator = torch.Generator().manual_seed(0)
    x_MK = torch.randn(16, 64, generator=generator).to(dtype)
    weight_NK = torch.randn(32, 64, generator=generator).to(dtype)
    try:
        result = _pack(weight_NK, 16)(x_MK)
        return torch.allclose(result.float(), x_MK.float() @ weight_NK.float().t(), 0.02, 0.02)
    except (AttributeError, NotImplementedError, RuntimeError, TypeError):
        return False
