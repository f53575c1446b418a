from typing import Any

import numpy as np
import pytest

from charrnn.numerics.compiled import compiled
from charrnn.sampling.engines.int8 import matmul


@pytest.mark.parametrize("width", [1, 15, 16, 50])
def test_products_are_exact(width: int) -> None:
    draws = np.random.default_rng(1)
    hidden_H = draws.integers(-32767, 32767, width, np.int16, endpoint=True)
    weights_GH = draws.integers(-127, 127, (12, width), np.int8, endpoint=True)
    expected = weights_GH.astype(np.int64) @ hidden_H
    for run in (_plain, _chosen):
        for j in range(3):
            assert run(hidden_H, weights_GH, j) == tuple(expected[j::3])


@compiled
def _plain(hidden_H: Any, weights_GH: Any, j: Any) -> Any:
    return matmul.multiply_gates_portable(hidden_H, weights_GH, j)


@compiled
def _chosen(hidden_H: Any, weights_GH: Any, j: Any) -> Any:
    return matmul.multiply_gates(hidden_H, weights_GH, j)
