"""Compiled kernels of a sampling step on a CPU: the cell of an LSTM and the draw of a code.

A call processes some samples on one core and releases Python's global lock.

Shape suffixes: B samples, H units, K factors of a sum of products, G gate rows (4H: i, f, g, o), R
rows of a table, V characters of the vocabulary.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.numerics.compiled import (
    compiled,
    compiled_exactly,
    from_float32,
    sigmoid,
    tanh,
    to_float32,
)
from charrnn.sampling.filters import Filters, distribution, sample_codes


@compiled
def lstm_cell(
    rows_B: Any,
    table_RG: Any,
    sums_BG: Any,
    cells_BH: Any,
    own_BK: Any,
    next_BK: Any,
) -> None:
    """Compute the gates of a layer from sums; update its cells and write its hidden units.

    Row `rows_B[b]` of the table is added to the sums of sample b. The hidden units are written to
    the last columns of `own_BK`, the factors of this layer's next product, and to the first columns
    of `next_BK`, those of the next layer, in their types.
    """
    samples, units = cells_BH.shape
    sum_G = np.empty(4 * units, np.float32)
    for b in range(samples):
        # LLVM vectorizes short loops over few arrays, so each operation has its own loop.
        row_G, products_G = table_RG[rows_B[b]], sums_BG[b]
        for j in range(4 * units):
            sum_G[j] = row_G[j] + to_float32(products_G[j])
        i, f, g, o = sum_G[:units], sum_G[units:], sum_G[2 * units :], sum_G[3 * units :]
        cell, own, following = cells_BH[b], own_BK[b, own_BK.shape[1] - units :], next_BK[b]
        for j in range(units):
            i[j] = sigmoid(i[j]) * tanh(g[j])
        for j in range(units):
            cell[j] = sigmoid(f[j]) * cell[j] + i[j]
        for j in range(units):
            o[j] = sigmoid(o[j]) * tanh(cell[j])
        for j in range(units):
            own[j] = from_float32(o[j], own[j])
        for j in range(units):
            following[j] = from_float32(o[j], following[j])


def draw(
    logits_BV: NDArray[np.float32],
    filters: Filters,
    uniforms_B: NDArray[np.float64],
    codes_B: NDArray[np.int64],
) -> None:
    """Write the code of each sample to `codes_B`, as `sample_codes` of the distribution.

    With temperature and min-p only, one pass per row replaces numpy's 17 passes over all rows: 32
    rows of 107 characters take 15 microseconds instead of 170.
    """
    if filters.temperature == 0 or filters.top_k is not None or filters.top_p is not None:
        codes_B[:] = sample_codes(distribution(logits_BV, filters), uniforms_B)
        return
    lowest = math.log(filters.min_p) if filters.min_p else -math.inf
    _draw(logits_BV, filters.temperature, lowest, uniforms_B, codes_B)


@compiled_exactly
def _draw(logits_BV: Any, temperature: float, lowest: float, uniforms_B: Any, codes_B: Any) -> None:
    """Sample with temperature and min-p; `lowest` is the logarithm of min-p."""
    characters = logits_BV.shape[1]
    sums_V = np.empty(characters)
    for b in range(len(codes_B)):
        logits_V = logits_BV[b]
        highest, second = logits_V[0], np.float32(-np.inf)
        for v in range(1, characters):
            second = max(second, min(highest, logits_V[v]))
            highest = max(highest, logits_V[v])
        lowest_kept = min(lowest, (np.float64(second) - highest) / temperature)
        total = 0.0
        for v in range(characters):
            exponent = (np.float64(logits_V[v]) - highest) / temperature
            if exponent >= lowest_kept:
                total += math.exp(exponent)
            sums_V[v] = total
        threshold = uniforms_B[b] * total
        code = 0
        while code < characters - 1 and sums_V[code] <= threshold:
            code += 1
        codes_B[b] = code
