"""The compiled update of dynamic evaluation: gradient and update of some weights in one pass.

Shape suffixes: as in `charrnn.analysis.adaptation_arrays`.
"""

from typing import Any

import numpy as np

from charrnn.numerics.activations import ONE
from charrnn.numerics.atomics import prefetch
from charrnn.numerics.compiled import compiled_part, from_float32, inlined
from charrnn.recurrence.cpu.single_stream import add_product

_EPSILON = np.float32(1e-8)  # keeps an update finite if all gradients of a weight have been zero
_CACHE_LINE = 16  # float32 numbers


@inlined
def _compute_gradient(tile: Any, first: Any, size: Any, arrays: Any, grad_RK: Any) -> None:
    """Compute the gradient of a tile; meanwhile, load its `size` weights from element `first`."""
    matrix, first_row, _ = arrays.tiles[tile]
    _, columns, left, left_columns, right, _ = arrays.matrices[matrix]
    steps = arrays.gates_LTG.shape[1]
    left_TR = arrays.factors_F[left : left + steps * left_columns].reshape(steps, left_columns)
    right_TK = arrays.factors_F[right : right + steps * columns].reshape(steps, columns)
    products = steps // 4 * ((len(grad_RK) + 3) // 4)
    loaded, block = first, (size + products - 1) // products
    for t in range(0, steps, 4):
        for row in range(0, len(grad_RK), 4):
            end = min(row + 4, len(grad_RK))
            left_4R = left_TR[t : t + 4, first_row + row : first_row + end]
            add_product(left_4R.T, right_TK[t : t + 4], grad_RK[row:end])
            for j in range(loaded, min(loaded + block, first + size), _CACHE_LINE):
                prefetch(arrays.weights_N, j)
                prefetch(arrays.trained_N, j)
                prefetch(arrays.squares_N, j)
            loaded += block


@compiled_part
def update_tile(tile: Any, thread: Any, arrays: Any) -> None:
    """Compute the gradients of some rows of a matrix, and update its weights."""
    matrix, first_row, end_row = arrays.tiles[tile]
    first, columns, _, _, _, copy = arrays.matrices[matrix]
    start, size = first + first_row * columns, (end_row - first_row) * columns
    grad = arrays.gradients[thread, :size]
    grad_RK = grad.reshape(end_row - first_row, columns)
    for j in range(size):
        grad[j] = 0
    _compute_gradient(tile, start, size, arrays, grad_RK)
    rate, pull_back = arrays.settings[0], arrays.settings[1]
    share = ONE / arrays.settings[2]
    tile_N = slice(start, start + size)
    weights, trained = arrays.weights_N[tile_N], arrays.trained_N[tile_N]
    squares = arrays.squares_N[tile_N]
    for j in range(size):
        squares[j] += grad[j] * grad[j]
        weight = weights[j] + pull_back * (trained[j] - weights[j])
        weights[j] = weight - rate * grad[j] / (np.sqrt(squares[j] * share) + _EPSILON)
    if copy >= 0:
        start = copy + first_row * columns
        copies = arrays.copies_LGH.reshape(arrays.copies_LGH.size)[start : start + size]
        for j in range(size):
            copies[j] = from_float32(weights[j], copies[j])
