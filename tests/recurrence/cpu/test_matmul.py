from types import SimpleNamespace
from typing import Any

import pytest
import torch

from charrnn.recurrence.cpu import lstm, matmul
from tests.recurrence.layers import (
    as_float32,
    assert_close_norm,
    layer,
    run_bfloat16,
    run_reference,
    run_with_gradients,
)


@pytest.mark.parametrize("engine", [lstm.run_layer, run_bfloat16])
@pytest.mark.parametrize("min_packed_size", [0, 10**12])
def test_packed_and_public_products_agree(
    engine: Any, min_packed_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matmul, "_MIN_PACKED_SIZE", min_packed_size)
    case, loss_weights = layer(4, 5, 16, 9), (1.0, 1.0, 1.0)
    tolerance = 2e-6 if engine is lstm.run_layer else 5e-2
    assert_close_norm(
        run_with_gradients(engine, as_float32(case), loss_weights),
        run_with_gradients(run_reference, case, loss_weights),
        tolerance,
    )


def test_public_product_is_used_without_the_private_operators(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x_MK, weight_NK = torch.randn(4, 8), torch.randn(6, 8)
    monkeypatch.setattr(matmul, "_MIN_PACKED_SIZE", 0)
    matmul._packs_correctly.cache_clear()
    try:
        with monkeypatch.context() as patch:  # the comparison below needs the operators
            patch.setattr(torch, "ops", SimpleNamespace())
            assert not matmul._can_pack(torch.float32)
            result_MN = matmul.prepare_matmul(weight_NK, 4)(x_MK)
    finally:
        matmul._packs_correctly.cache_clear()
    torch.testing.assert_close(result_MN, x_MK @ weight_NK.t())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("is_packed_product_used", [True, False])
def test_row_of_a_product_does_not_depend_on_other_rows(
    is_packed_product_used: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not is_packed_product_used:
        monkeypatch.setattr(matmul, "_find_independent_packing", lambda n, k, dtype: None)
    generator = torch.Generator().manual_seed(1)
    weight_NK = torch.randn(1024, 256, generator=generator).to(dtype)
    x_MK = torch.randn(50, 256, generator=generator).to(dtype)
    product = matmul.prepare_row_matmul(weight_NK)
    result_MN = product(x_MK)
    torch.testing.assert_close(result_MN, x_MK @ weight_NK.t(), rtol=0.02, atol=0.3)
    for rows in (1, 2, 15, 16, 17, 33, 49):
        assert torch.equal(product(x_MK[:rows]), result_MN[:rows])
        assert torch.equal(product(x_MK[-rows:]), result_MN[-rows:])
