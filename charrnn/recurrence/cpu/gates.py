"""The gates of an LSTM layer at one time step, forward and backward, fused.

A call works on some of the streams, on one core, without Python's lock. Vectors are float32, or
bfloat16 as `charrnn.numerics.compiled` holds it.

Shape suffixes: T steps, B streams, H units, G gate rows (4H: i, f, g, o), N rows of a table.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.numerics.activations import ONE
from charrnn.numerics.compiled import as_stored, compiled, sigmoid, tanh, wide

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
    """Step some streams forward; write activations, cell and hidden state.

    The input's share of stream b is row `rows_B[b]` of `sources_NG`, which may be the memory of
    `gates_BG` itself. `recurrent_BG` is the hidden state's share.
    """
    streams, units = cell_BH.shape
    sum_G = np.empty(4 * units, np.float32)
    for b in range(streams):
        # The passes are short loops over few arrays each: LLVM turns those into vector code.
        source_G, recurrent_G = sources_NG[rows_B[b]], recurrent_BG[b]
        for j in range(4 * units):
            sum_G[j] = wide(source_G[j]) + wide(recurrent_G[j]) + bias_G[j]
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
            hidden[j] = as_stored(o[j] * tanh(cell[j]), hidden[j])


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
    """Step some streams backward; write the gradient before the activations.

    The gradient of the hidden state is the sum of the first two. `cell_gradient_BH` goes from the
    gradient of this step's cell to that of the step before. `gradient_BG` may be the memory of
    `gates_BG` itself.
    """
    streams, units = cell_BH.shape
    activation_G = np.empty(4 * units, np.float32)
    for b in range(streams):
        activation_G[:] = gates_BG[b]
        i, f = activation_G[:units], activation_G[units : 2 * units]
        g, o = activation_G[2 * units : 3 * units], activation_G[3 * units :]
        to_i, to_f = gradient_BG[b, :units], gradient_BG[b, units : 2 * units]
        to_g, to_o = gradient_BG[b, 2 * units : 3 * units], gradient_BG[b, 3 * units :]
        before, cell, through_cell = before_BH[b], cell_BH[b], cell_gradient_BH[b]
        from_output, from_next = from_output_BH[b], from_next_BH[b]
        for j in range(units):
            squashed = tanh(cell[j])
            hidden = wide(from_output[j]) + wide(from_next[j])
            to_o[j] = as_stored(hidden * squashed * o[j] * (ONE - o[j]), to_o[j])
            through_cell[j] += hidden * o[j] * (ONE - squashed * squashed)
        for j in range(units):
            to_i[j] = as_stored(through_cell[j] * g[j] * i[j] * (ONE - i[j]), to_i[j])
            to_g[j] = as_stored(through_cell[j] * i[j] * (ONE - g[j] * g[j]), to_g[j])
        for j in range(units):
            to_f[j] = as_stored(through_cell[j] * before[j] * f[j] * (ONE - f[j]), to_f[j])
            through_cell[j] = through_cell[j] * f[j]


@compiled
def add_rows(rows_N: Array, gradient_NG: Array, sums_VG: Array) -> None:
    """Add row n of the gradient to row `rows_N[n]` of the sums: the gradient of a look-up."""
    for n in range(len(rows_N)):
        gradient_G, sums_G = gradient_NG[n], sums_VG[rows_N[n]]
        for j in range(len(sums_G)):
            sums_G[j] += wide(gradient_G[j])
