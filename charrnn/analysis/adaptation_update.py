"""The compiled update of dynamic evaluation: gradient and update of some weights in one pass.

A step is the gradient divided by its root mean square, which is estimated from the mean squares of
the rows and of the columns of the gradient (Adafactor: Shazeer & Stern, 2018).

Shape suffixes: as in `charrnn.analysis.adaptation_arrays`.
"""

from typing import Any

import numpy as np

from charrnn.numerics.activations import ONE, TWO
from charrnn.numerics.atomics import prefetch
from charrnn.numerics.compiled import compiled_part, from_float32, inlined
from charrnn.recurrence.cpu.single_stream import add_product, multiply_rows

_EPSILON = np.float32(1e-8)  # keeps an update finite if all gradients of a weight have been zero
_CACHE_LINE = 16  # float32 numbers
_STEPS = 4  # steps of a block: the number of steps is a multiple of this


@inlined
def _factor(first: Any, columns: Any, arrays: Any) -> Any:
    """Return a factor of a gradient."""
    steps = arrays.gates_LTG.shape[1]
    return arrays.factors_F[first : first + steps * columns].reshape(steps, columns)


@inlined
def _square_sums(factor_TR: Any, out: Any) -> None:
    """Compute the squares of a bias' gradient, whose left factor is 1.

    The sum of its only row has no effect: `compute_scales` divides its root by itself.
    """
    rows = factor_TR.shape[1]
    for row in range(rows):
        out[row] = 0
    for t in range(len(factor_TR)):
        for row in range(rows):
            out[row] += factor_TR[t, row]
    for row in range(rows):
        out[row] *= out[row]


@inlined
def _compute_gram(factor_TK: Any, gram_TT: Any) -> None:
    """Compute a triangular matrix whose quadratic form is that of factor @ factor.T / K."""
    share = ONE / np.float32(factor_TK.shape[1])
    for t in range(0, len(factor_TK), _STEPS):
        end = t + _STEPS
        multiply_rows(factor_TK[:end], factor_TK[t:end], gram_TT[t:end, :end])
        for row in range(t, end):
            gram_TT[row, row] *= share
            for column in range(row):
                gram_TT[row, column] *= TWO * share
            for column in range(row + 1, end):
                gram_TT[row, column] = 0


@compiled_part
def compute_mean_squares(matrix: Any, half: Any, thread: Any, arrays: Any, out: Any) -> None:
    """Compute the mean squares of a gradient over its columns (half 0) or over its rows (half 1).

    Row r of the gradient is g = left[:, r] @ right, so |g|^2 = left[:, r] @ gram @ left[:, r] with
    gram = right @ right.T.
    """
    _, rows, columns, left, right, _, _ = arrays.matrices[matrix]
    factor_TR, other_TK = _factor(left, rows, arrays), _factor(right, columns, arrays)
    if half:
        factor_TR, other_TK = other_TK, factor_TR
    if rows == 1:
        _square_sums(factor_TR, out)
        return
    gram_TT, width = arrays.grams[thread], factor_TR.shape[1]
    _compute_gram(other_TK, gram_TT)
    sums_4R = arrays.gradients[thread, : _STEPS * width].reshape(_STEPS, width)
    for column in range(width):
        out[column] = 0
    for t in range(0, len(factor_TR), _STEPS):
        end = t + _STEPS
        sums_4R[:] = 0
        add_product(gram_TT[t:end, :end], factor_TR[:end], sums_4R)
        for row in range(_STEPS):
            for column in range(width):
                out[column] += sums_4R[row, column] * factor_TR[t + row, column]


@inlined
def _compute_gradient(tile: Any, first: Any, size: Any, arrays: Any, grad_RK: Any) -> None:
    """Compute the gradient of a tile; meanwhile, load its `size` weights from element `first`."""
    matrix, first_row, _ = arrays.tiles[tile]
    _, rows, columns, left, right, _, _ = arrays.matrices[matrix]
    left_TR, right_TK = _factor(left, rows, arrays), _factor(right, columns, arrays)
    steps = len(left_TR)
    products = steps // _STEPS * ((len(grad_RK) + 3) // 4)
    loaded, block = first, (size + products - 1) // products
    for t in range(0, steps, _STEPS):
        for row in range(0, len(grad_RK), 4):
            end = min(row + 4, len(grad_RK))
            left_4R = left_TR[t : t + _STEPS, first_row + row : first_row + end]
            add_product(left_4R.T, right_TK[t : t + _STEPS], grad_RK[row:end])
            for j in range(loaded, min(loaded + block, first + size), _CACHE_LINE):
                prefetch(arrays.weights_N, j)
                if arrays.settings[1] > 0:
                    prefetch(arrays.trained_N, j)
            loaded += block


@inlined
def compute_scales(matrix: Any, arrays: Any) -> None:
    """Compute the factors of the rows and of the columns of an update."""
    _, rows, columns, _, _, _, first = arrays.matrices[matrix]
    share, total = ONE / arrays.settings[2], np.float32(0)
    for j in range(first, first + rows):
        total += arrays.squares_S[j]
    mean = np.sqrt(total * share / np.float32(rows)) + _EPSILON
    scale = arrays.settings[0] * mean
    for j in range(first, first + rows):
        arrays.scales_S[j] = scale / (np.sqrt(arrays.squares_S[j] * share) + _EPSILON)
    for j in range(first + rows, first + rows + columns):
        arrays.scales_S[j] = ONE / (np.sqrt(arrays.squares_S[j] * share) + _EPSILON)


@compiled_part
def update_tile(tile: Any, thread: Any, arrays: Any) -> None:
    """Compute the gradients of some rows of a matrix, and update its weights."""
    matrix, first_row, end_row = arrays.tiles[tile]
    first, rows, columns, _, _, copy, squares = arrays.matrices[matrix]
    start, size = first + first_row * columns, (end_row - first_row) * columns
    grad = arrays.gradients[thread, :size]
    grad_RK = grad.reshape(end_row - first_row, columns)
    for j in range(size):
        grad[j] = 0
    _compute_gradient(tile, start, size, arrays, grad_RK)
    pull_back = arrays.settings[1]
    scales_K = arrays.scales_S[squares + rows : squares + rows + columns]
    ratios_K = arrays.ratios_S[squares + rows : squares + rows + columns]
    for row in range(len(grad_RK)):
        row_K = slice(start + row * columns, start + (row + 1) * columns)
        weights_K, grad_K = arrays.weights_N[row_K], grad_RK[row]
        if pull_back > 0:
            trained_K = arrays.trained_N[row_K]
            ratio = pull_back * arrays.ratios_S[squares + first_row + row]
            for k in range(columns):
                weights_K[k] += min(ONE, ratio * ratios_K[k]) * (trained_K[k] - weights_K[k])
        scale = arrays.scales_S[squares + first_row + row]
        for k in range(columns):
            weights_K[k] -= scale * scales_K[k] * grad_K[k]
        if copy >= 0:
            row_K = slice(copy + row_K.start - first, copy + row_K.stop - first)
            copies_K = arrays.copies_LGH.reshape(arrays.copies_LGH.size)[row_K]
            for k in range(columns):
                copies_K[k] = from_float32(weights_K[k], copies_K[k])
