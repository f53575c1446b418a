"""Products of one stream, for compiled loops: a weight matrix with one vector or with some rows.

Weights are float32, or bfloat16 stored as in `charrnn.numerics.compiled`. Each result is a function
of its inputs only: the order of the sums is fixed when the function is compiled.

Shape suffixes: M rows, K columns, N rows of the weights.
"""

from typing import Any

import numba
import numpy as np

from charrnn.numerics.compiled import to_float32

# "reassoc" lets LLVM add the products of a row in vector registers.
_reordered = numba.njit(fastmath={"contract", "reassoc"}, error_model="numpy", nogil=True)
_ROWS = 4  # rows that one pass over a vector multiplies


@_reordered
def multiply_vector(weights_NK: Any, x_K: Any, out_N: Any) -> None:
    """Compute out = weights @ x."""
    rows, columns = weights_NK.shape
    full = rows - rows % _ROWS
    for n in range(0, full, _ROWS):
        a_K, b_K, c_K, d_K = weights_NK[n], weights_NK[n + 1], weights_NK[n + 2], weights_NK[n + 3]
        a = b = c = d = np.float32(0)
        for k in range(columns):
            x = x_K[k]
            a += to_float32(a_K[k]) * x
            b += to_float32(b_K[k]) * x
            c += to_float32(c_K[k]) * x
            d += to_float32(d_K[k]) * x
        out_N[n], out_N[n + 1], out_N[n + 2], out_N[n + 3] = a, b, c, d
    for n in range(full, rows):
        a_K, a = weights_NK[n], np.float32(0)
        for k in range(columns):
            a += to_float32(a_K[k]) * x_K[k]
        out_N[n] = a


@_reordered
def _multiply_four_by_two(weights_4K: Any, x_2K: Any, out_24: Any) -> None:
    a_K, b_K, c_K, d_K = weights_4K[0], weights_4K[1], weights_4K[2], weights_4K[3]
    x_K, y_K = x_2K[0], x_2K[1]
    a = b = c = d = np.float32(0)
    e = f = g = h = np.float32(0)
    for k in range(len(x_K)):
        x, y = x_K[k], y_K[k]
        a += a_K[k] * x
        b += b_K[k] * x
        c += c_K[k] * x
        d += d_K[k] * x
        e += a_K[k] * y
        f += b_K[k] * y
        g += c_K[k] * y
        h += d_K[k] * y
    out_24[0, 0], out_24[0, 1], out_24[0, 2], out_24[0, 3] = a, b, c, d
    out_24[1, 0], out_24[1, 1], out_24[1, 2], out_24[1, 3] = e, f, g, h


@_reordered
def multiply_rows(weights_NK: Any, x_MK: Any, out_MN: Any) -> None:
    """Compute out = x @ weights.T."""
    full_n, full_m = len(weights_NK) - len(weights_NK) % _ROWS, len(x_MK) - len(x_MK) % 2
    for n in range(0, full_n, _ROWS):
        weights_4K = weights_NK[n : n + _ROWS]
        for m in range(0, full_m, 2):
            _multiply_four_by_two(weights_4K, x_MK[m : m + 2], out_MN[m : m + 2, n : n + _ROWS])
    for m in range(full_m, len(x_MK)):
        multiply_vector(weights_NK[:full_n], x_MK[m], out_MN[m, :full_n])
    if full_n < len(weights_NK):
        for m in range(len(x_MK)):
            multiply_vector(weights_NK[full_n:], x_MK[m], out_MN[m, full_n:])


@_reordered
def add_vector_product(x_N: Any, weights_NK: Any, out_K: Any) -> None:
    """Compute out += x @ weights."""
    rows, columns = weights_NK.shape
    full = rows - rows % 8
    for n in range(0, full, 8):
        a_K, b_K, c_K, d_K = weights_NK[n], weights_NK[n + 1], weights_NK[n + 2], weights_NK[n + 3]
        e_K, f_K, g_K, h_K = (
            weights_NK[n + 4],
            weights_NK[n + 5],
            weights_NK[n + 6],
            weights_NK[n + 7],
        )
        a, b, c, d = x_N[n], x_N[n + 1], x_N[n + 2], x_N[n + 3]
        e, f, g, h = x_N[n + 4], x_N[n + 5], x_N[n + 6], x_N[n + 7]
        for k in range(columns):
            low = a * to_float32(a_K[k]) + b * to_float32(b_K[k])
            low += c * to_float32(c_K[k]) + d * to_float32(d_K[k])
            high = e * to_float32(e_K[k]) + f * to_float32(f_K[k])
            high += g * to_float32(g_K[k]) + h * to_float32(h_K[k])
            out_K[k] += low + high
    for n in range(full, rows):
        for k in range(columns):
            out_K[k] += x_N[n] * to_float32(weights_NK[n, k])


@_reordered
def _add_four_by_four(x_44: Any, b_4K: Any, out_4K: Any) -> None:
    b0_K, b1_K, b2_K, b3_K = b_4K[0], b_4K[1], b_4K[2], b_4K[3]
    o0_K, o1_K, o2_K, o3_K = out_4K[0], out_4K[1], out_4K[2], out_4K[3]
    a0, a1, a2, a3 = x_44[0, 0], x_44[0, 1], x_44[0, 2], x_44[0, 3]
    c0, c1, c2, c3 = x_44[1, 0], x_44[1, 1], x_44[1, 2], x_44[1, 3]
    d0, d1, d2, d3 = x_44[2, 0], x_44[2, 1], x_44[2, 2], x_44[2, 3]
    e0, e1, e2, e3 = x_44[3, 0], x_44[3, 1], x_44[3, 2], x_44[3, 3]
    for k in range(len(b0_K)):
        b0, b1, b2, b3 = b0_K[k], b1_K[k], b2_K[k], b3_K[k]
        o0_K[k] += a0 * b0 + a1 * b1 + a2 * b2 + a3 * b3
        o1_K[k] += c0 * b0 + c1 * b1 + c2 * b2 + c3 * b3
        o2_K[k] += d0 * b0 + d1 * b1 + d2 * b2 + d3 * b3
        o3_K[k] += e0 * b0 + e1 * b1 + e2 * b2 + e3 * b3


@_reordered
def add_product(x_MN: Any, b_NK: Any, out_MK: Any) -> None:
    """Compute out += x @ b. x may be a transposed view."""
    full_m, full_n = len(out_MK) - len(out_MK) % _ROWS, len(b_NK) - len(b_NK) % _ROWS
    for n in range(0, full_n, _ROWS):
        b_4K = b_NK[n : n + _ROWS]
        for m in range(0, full_m, _ROWS):
            _add_four_by_four(x_MN[m : m + _ROWS, n : n + _ROWS], b_4K, out_MK[m : m + _ROWS])
    for m in range(len(out_MK)):
        out_K = out_MK[m]
        for n in range(0 if m >= full_m else full_n, len(b_NK)):
            x, b_K = x_MN[m, n], b_NK[n]
            for k in range(len(out_K)):
                out_K[k] += x * b_K[k]
