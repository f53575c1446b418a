"""The compiled functions of dynamic evaluation that one thread does alone, after each product.

Shape suffixes: as in `charrnn.analysis.adaptation_arrays`; B is one stream.
"""

from typing import Any

import numpy as np

from charrnn.analysis.adaptation_update import compute_scales
from charrnn.numerics.activations import ONE
from charrnn.numerics.compiled import compiled_part, inlined
from charrnn.recurrence.cpu import gates

_forward_gates, _backward_gates = gates.forward, gates.backward


@inlined
def half_bounds(rows: Any, half: Any) -> Any:
    """Return the first row and the end row of a half."""
    return (rows // 2, rows) if half else (0, rows // 2)


@inlined
def finish_measurement(matrix: Any, second: Any, arrays: Any) -> None:
    """Add the mean squares of a gradient's rows and columns to their sums; compute the scales."""
    _, rows, columns, _, _, _, squares = arrays.matrices[matrix]
    for row in range(rows):
        arrays.squares_S[squares + row] += arrays.parts[0, row]
    for column in range(columns):
        arrays.squares_S[squares + rows + column] += arrays.parts[second, column]
    compute_scales(matrix, arrays)


@compiled_part
def _compute_losses(length: Any, arrays: Any) -> None:
    """Compute the losses in nats; replace the logits by the gradients of the mean loss."""
    steps, characters = arrays.logits_TV.shape
    for t in range(steps):
        for v in range(characters):
            arrays.one_hot_TV[t, v] = 0
            if t >= length:
                arrays.logits_TV[t, v] = 0
    for t in range(length):
        logits_V, target = arrays.logits_TV[t], arrays.codes_T[t + 1]
        arrays.one_hot_TV[t, arrays.codes_T[t]] = 1
        largest, total = np.float32(-np.inf), np.float32(0)
        for v in range(len(logits_V)):
            logits_V[v] += arrays.output_bias_V[v]
            largest = max(largest, logits_V[v])
        arrays.nats_T[t] = largest - logits_V[target]
        for v in range(len(logits_V)):
            logits_V[v] = np.exp(logits_V[v] - largest)
            total += logits_V[v]
        arrays.nats_T[t] += np.log(total)
        scale = ONE / (total * np.float32(length))
        for v in range(len(logits_V)):
            logits_V[v] *= scale
        logits_V[target] -= ONE / np.float32(length)


@inlined
def finish_projection(layer: Any, length: Any, second: Any, arrays: Any) -> None:
    """Copy the halves of a projection into its columns; compute the losses from the logits."""
    is_output = layer == len(arrays.hidden_LTH)
    out_TG = arrays.logits_TV if is_output else arrays.gates_LTG[layer]
    for half, part in ((0, 0), (1, second)):
        first, end = half_bounds(out_TG.shape[1], half)
        width = end - first
        for t in range(length):
            for column in range(width):
                out_TG[t, first + column] = arrays.parts[part, t * width + column]
    if is_output:
        _compute_losses(length, arrays)


@inlined
def finish_step(layer: Any, t: Any, second: Any, arrays: Any) -> None:
    """Compute the activations and the state of a step."""
    units, gates_TG, cells_TH = (
        arrays.hidden_LTH.shape[2],
        arrays.gates_LTG[layer],
        arrays.cells_LTH[layer],
    )
    recurrent_BG, bias_G = arrays.sums_1G, arrays.bias_G
    for g in range(2 * units):
        recurrent_BG[0, g] = arrays.parts[0, g]
        recurrent_BG[0, 2 * units + g] = arrays.parts[second, g]
    for g in range(4 * units):
        bias_G[g] = arrays.biases_2LG[0, layer, g] + arrays.biases_2LG[1, layer, g]
    rows_T = arrays.steps_T if layer else arrays.codes_T
    sources_NG = gates_TG if layer else arrays.table_VG
    now, after = slice(t, t + 1), slice(t + 1, t + 2)
    _forward_gates(
        rows_T[now],
        sources_NG,
        bias_G,
        recurrent_BG,
        gates_TG[now],
        cells_TH[now],
        cells_TH[after],
        arrays.hidden_LTH[layer, after],
    )


@inlined
def finish_backward(layer: Any, t: Any, is_last: Any, second: Any, arrays: Any) -> None:
    """Replace the activations of step t by the gradients of the gates before their activation."""
    units, gates_TG, cells_TH = (
        arrays.hidden_LTH.shape[2],
        arrays.gates_LTG[layer],
        arrays.cells_LTH[layer],
    )
    outputs_TH, hidden_BH, cell_BH = arrays.grad_outputs_TH, arrays.states_1H, arrays.grad_cell_1H
    for j in range(units):
        hidden_BH[0, j] = arrays.parts[0, j] + arrays.parts[second, j]
    if is_last:
        for j in range(units):
            hidden_BH[0, j] = cell_BH[0, j] = 0
        for row in range(t + 1):
            for j in range(units):
                n = row * units + j
                outputs_TH[row, j] = arrays.parts[0, n] + arrays.parts[second, n]
        for row in range(t + 1, len(gates_TG)):
            for g in range(4 * units):
                gates_TG[row, g] = 0
    now, after = slice(t, t + 1), slice(t + 1, t + 2)
    _backward_gates(
        outputs_TH[now],
        hidden_BH,
        gates_TG[now],
        cells_TH[now],
        cells_TH[after],
        cell_BH,
        gates_TG[now],
    )
