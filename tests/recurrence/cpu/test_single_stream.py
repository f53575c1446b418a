import numpy as np
import pytest
import torch

from charrnn.recurrence.cpu import single_stream
from charrnn.recurrence.cpu.matmul import as_array

SIZES = [(1, 1), (4, 8), (7, 5), (21, 37)]


@pytest.mark.parametrize(("rows", "columns"), SIZES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_products_with_a_vector(rows: int, columns: int, dtype: torch.dtype) -> None:
    draws = np.random.default_rng(rows)
    weights_NK = torch.from_numpy(draws.standard_normal((rows, columns))).to(dtype)
    exact_NK = weights_NK.double().numpy()
    x_K, x_N = (draws.standard_normal(size).astype(np.float32) for size in (columns, rows))
    out_N, out_K = np.zeros(rows, np.float32), np.ones(columns, np.float32)
    single_stream.multiply_vector(as_array(weights_NK), x_K, out_N)
    single_stream.add_vector_product(x_N, as_array(weights_NK), out_K)
    np.testing.assert_allclose(out_N, exact_NK @ x_K, atol=1e-5)
    np.testing.assert_allclose(out_K, 1 + x_N @ exact_NK, atol=1e-5)


@pytest.mark.parametrize("steps", [1, 4, 6])
@pytest.mark.parametrize(("rows", "columns"), SIZES)
def test_products_with_several_rows(rows: int, columns: int, steps: int) -> None:
    draws = np.random.default_rng(rows)
    weights_NK = draws.standard_normal((rows, columns)).astype(np.float32)
    x_MK, x_MN = (
        draws.standard_normal((steps, size)).astype(np.float32) for size in (columns, rows)
    )
    out_MN, out_MK = np.zeros_like(x_MN), np.ones_like(x_MK)
    single_stream.multiply_rows(weights_NK, x_MK, out_MN)
    single_stream.add_product(np.asfortranarray(x_MN), weights_NK, out_MK)
    np.testing.assert_allclose(out_MN, x_MK @ weights_NK.T, atol=1e-5)
    np.testing.assert_allclose(out_MK, 1 + x_MN @ weights_NK, atol=1e-5)
