"""Fused forward and backward kernels of the gates of an LSTM layer at one time step.

A call processes some of the streams on one core and releases Python's global lock. Vectors are
float32, or bfloat16 stored as in `charrnn.numerics.compiled`.

Shape suffixes: T steps, B streams, H units, G gate rows (4H: i, f, g, o), N rows of a table.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.numerics.activations import ONE
from charrnn.numerics.compiled import compiled, from_float32, sigmoid, tanh, to_float32

Array = NDArray[Any]


@compiled
def forward(
    rows_B: Array,
    sources_NG: Array,
    bias_G: Array,
    recurrent_BG: Array,
    gates_BG: Array,
    before_BH: Array,
    cell_BH: Array,
    hidden_BH: Array,
) -> None:
    """Compute one forward step of some streams; write activations, cell and hidden state.

    The projected input of stream b is row `rows_B[b]` of `sources_NG`, which may share memory with
    `gates_BG`. `recurrent_BG` is the projected hidden state. `before_BH` is the previous cell.
    """
    streams, units = cell_BH.shape
    sum_G = np.empty(4 * units, np.float32)
    for b in range(streams):
        # LLVM vectorizes short loops over few arrays, so each operation has its own loop.
        source_G, recurrent_G = sources_NG[rows_B[b]], recurrent_BG[b]
        for j in range(4 * units):
            sum_G[j] = to_float32(source_G[j]) + to_float32(recurrent_G[j]) + bias_G[j]
        i_and_f, g, o = gates_BG[b, : 2 * units], gates_BG[b, 2 * units : 3 * units], gates_BG[b]
        sum_g, o, sum_o = sum_G[2 * units :], o[3 * units :], sum_G[3 * units :]
        for j in range(2 * units):
            i_and_f[j] = sigmoid(sum_G[j])
        for j in range(units):
            g[j] = tanh(sum_g[j])
        for j in range(units):
            o[j] = sigmoid(sum_o[j])
        i, f = i_and_f[:units], i_and_f[units:]
        before, cell, hidden = before_BH[b], cell_BH[b], hidden_BH[b]
        for j in range(units):
            cell[j] = f[j] * before[j] + i[j] * g[j]
        for j in range(units):
            hidden[j] = from_float32(o[j] * tanh(cell[j]), hidden[j])


@compiled
def backward(
    from_output_BH: Array,
    from_next_BH: Array,
    gates_BG: Array,
    before_BH: Array,
    cell_BH: Array,
    cell_gradient_BH: Array,
    gradient_BG: Array,
) -> None:
    """Compute one backward step of some streams; write the gradients of the gates.

    The gradient of the hidden state is the sum of the first two arguments. `cell_gradient_BH` holds
    the gradient of this step's cell and is overwritten with that of the previous step's cell.
    `gradient_BG` receives the gradients of the gates before their activation; it may share memory
    with `gates_BG`.
    """
    streams, units = cell_BH.shape
    activation_G = np.empty(4 * units, np.float32)
    for b in range(streams):
        for j in range(4 * units):  # an assignment of the whole row compiles in seconds
            activation_G[j] = gates_BG[b, j]
        i, f = activation_G[:units], activation_G[units : 2 * units]
        g, o = activation_G[2 * units : 3 * units], activation_G[3 * units :]
        to_i, to_f = gradient_BG[b, :units], gradient_BG[b, units : 2 * units]
        to_g, to_o = gradient_BG[b, 2 * units : 3 * units], gradient_BG[b, 3 * units :]
        before, cell, through_cell = before_BH[b], cell_BH[b], cell_gradient_BH[b]
        from_output, from_next = from_output_BH[b], from_next_BH[b]
        for j in range(units):
            squashed = tanh(cell[j])
            hidden = to_float32(from_output[j]) + to_float32(from_next[j])
            to_o[j] = from_float32(hidden * squashed * o[j] * (ONE - o[j]), to_o[j])
            through_cell[j] += hidden * o[j] * (ONE - squashed * squashed)
        for j in range(units):
            to_i[j] = from_float32(through_cell[j] * g[j] * i[j] * (ONE - i[j]), to_i[j])
            to_g[j] = from_float32(through_cell[j] * i[j] * (ONE - g[j] * g[j]), to_g[j])
        for j in range(units):
            to_f[j] = from_float32(through_cell[j] * before[j] * f[j] * (ONE - f[j]), to_f[j])
            through_cell[j] = through_cell[j] * f[j]


@compiled
def add_rows(rows_N: Array, gradient_NG: Array, sums_VG: Array) -> None:
    """Add row n of the gradient to row `rows_N[n]` of the sums: the gradient of a look-up."""
    for n in range(len(rows_N)):
        gradient_G, sums_G = gradient_NG[n], sums_VG[rows_N[n]]
        for j in range(len(sums_G)):
            sums_G[j] += to_float32(gradient_G[j])
