"""The compiled functions of dynamic evaluation: a segment of one stream on two CPU cores.

The calling thread (the leader) does the work in order. It divides each product into two halves and
posts one of them to a second thread (the helper). If the helper does not finish its half in time,
because other work occupies its core, the leader computes this half too. The helper writes only to
its own memory, so a late helper changes nothing. The tiles of an update are claimed one by one.

Shape suffixes: as in `charrnn.analysis.adaptation_arrays`; B is one stream.
"""

from typing import Any

import numpy as np

from charrnn.analysis.adaptation_update import update_tile
from charrnn.numerics.activations import ONE
from charrnn.numerics.atomics import compare_exchange, load_acquire, pause, store_release
from charrnn.numerics.compiled import compiled, inlined
from charrnn.recurrence.cpu import gates
from charrnn.recurrence.cpu.single_stream import (
    add_product,
    add_vector_product,
    multiply_rows,
    multiply_vector,
)

# Indices of the shared words, one cache line apart: the last posted job, the last job that the
# helper finished (or `ASLEEP`), the steps of the segment, the number of claimed tiles, and how many
# tiles each thread has finished.
_POSTED, HELPER_DONE, _LENGTH, _TILE, _LEADER_TILES, _HELPER_TILES, WORDS = range(0, 56, 8)
ASLEEP = -1
_STEP, _STEP_BACKWARD, _PROJECT, _PROJECT_BACKWARD, _UPDATE, _KINDS = range(6)
_MAX_POLLS = 2500  # about 50 microseconds
_MAX_IDLE = 20_000  # polls without a job before the helper sleeps: under half a millisecond
ROLE_LEARN, ROLE_WAIT, ROLE_HELP = range(3)

_forward_gates, _backward_gates = gates.forward, gates.backward


@compiled
def _compute_half(kind: Any, layer: Any, t: Any, half: Any, arrays: Any, out: Any) -> None:
    """Compute one half of a product; `layer` is the number of layers for the output layer."""
    layers, _, units = arrays.hidden_LTH.shape
    if kind <= _STEP_BACKWARD:
        first, end = half * 2 * units, (half + 1) * 2 * units
        copy_GH = arrays.copies_LGH[layer, first:end]
        if kind == _STEP:
            multiply_vector(copy_GH, arrays.hidden_LTH[layer, t], out)
        else:
            out[:units] = 0
            add_vector_product(arrays.gates_LTG[layer, t, first:end], copy_GH, out[:units])
        return
    length = load_acquire(arrays.words, _LENGTH)
    weights_GH = arrays.output_VH if layer == layers else arrays.inputs_MGH[layer - 1]
    gradient_TG = arrays.logits_TV if layer == layers else arrays.gates_LTG[layer]
    first, end = _half_bounds(len(weights_GH), half)
    if kind == _PROJECT:
        out_TG = out[: length * (end - first)].reshape(length, end - first)
        multiply_rows(weights_GH[first:end], arrays.hidden_LTH[layer - 1, 1 : length + 1], out_TG)
    else:
        out_TH = out[: length * units].reshape(length, units)
        out_TH[:] = 0
        add_product(gradient_TG[:length, first:end], weights_GH[first:end], out_TH)


@inlined
def _half_bounds(rows: Any, half: Any) -> Any:
    """Return the first row and the end row of a half."""
    return (rows // 2, rows) if half else (0, rows // 2)


@compiled
def _post(kind: Any, layer: Any, t: Any, arrays: Any) -> Any:
    """Post a job and return its word; return `ASLEEP` if the helper has not finished the last."""
    layers, steps, _ = arrays.gates_LTG.shape
    posted = load_acquire(arrays.words, _POSTED)
    if load_acquire(arrays.words, HELPER_DONE) != posted:
        return ASLEEP
    kinds = _KINDS * (layers + 1) * steps
    job = (posted // kinds + 1) * kinds + (kind * (layers + 1) + layer) * steps + t
    store_release(arrays.words, _POSTED, job)
    return job


@compiled
def _compute(kind: Any, layer: Any, t: Any, arrays: Any) -> int:
    """Compute both halves of a product: `parts[0]`, and the part whose index is returned."""
    job = _post(kind, layer, t, arrays)
    for half in range(2):
        polls = _MAX_POLLS if half and job != ASLEEP else 0
        for _ in range(polls):
            if load_acquire(arrays.words, HELPER_DONE) == job:
                return 1
            pause()
        _compute_half(kind, layer, t, half, arrays, arrays.parts[2 * half])
    return 2


@compiled
def _help(arrays: Any) -> None:
    """Do the posted jobs; return after about 50 microseconds without one."""
    layers, steps, _ = arrays.gates_LTG.shape
    done, polls = load_acquire(arrays.words, _POSTED), 0
    store_release(arrays.words, HELPER_DONE, done)
    while polls < _MAX_IDLE:
        job = load_acquire(arrays.words, _POSTED)
        if job == done:
            polls += 1
            pause()
            continue
        kind = job // steps // (layers + 1) % _KINDS
        if kind == _UPDATE:
            _update_tiles(_HELPER_TILES, arrays)
        else:
            layer, t = job // steps % (layers + 1), job % steps
            _compute_half(kind, layer, t, 1, arrays, arrays.parts[1])
        done, polls = job, 0
        store_release(arrays.words, HELPER_DONE, done)
    store_release(arrays.words, HELPER_DONE, ASLEEP)


@compiled
def _join_columns(second: Any, columns: Any, arrays: Any, out_TG: Any) -> None:
    """Copy the halves of a projection into its columns."""
    length = load_acquire(arrays.words, _LENGTH)
    for half, part in ((0, 0), (1, second)):
        first, end = _half_bounds(columns, half)
        width = end - first
        for t in range(length):
            out_TG[t, first:end] = arrays.parts[part, t * width : (t + 1) * width]


@compiled
def _forward(arrays: Any) -> None:
    """Compute the states, the activations and the logits of a segment."""
    layers, _, units = arrays.hidden_LTH.shape
    length, row_B = load_acquire(arrays.words, _LENGTH), np.zeros(1, np.int64)
    recurrent_BG = np.empty((1, 4 * units), np.float32)
    for layer in range(layers):
        hidden_TH, cells_TH = arrays.hidden_LTH[layer], arrays.cells_LTH[layer]
        gates_TG = arrays.gates_LTG[layer]
        bias_G = arrays.biases_2LG[0, layer] + arrays.biases_2LG[1, layer]
        if layer:
            _join_columns(_compute(_PROJECT, layer, 0, arrays), 4 * units, arrays, gates_TG)
        else:
            for g in range(4 * units):
                for t in range(length):
                    gates_TG[t, g] = arrays.table_GV[g, arrays.codes_T[t]]
        for t in range(length):
            second = _compute(_STEP, layer, t, arrays)
            recurrent_BG[0, : 2 * units] = arrays.parts[0, : 2 * units]
            recurrent_BG[0, 2 * units :] = arrays.parts[second, : 2 * units]
            now, after = slice(t, t + 1), slice(t + 1, t + 2)
            _forward_gates(
                row_B,
                gates_TG[now],
                bias_G,
                recurrent_BG,
                gates_TG[now],
                cells_TH[now],
                cells_TH[after],
                hidden_TH[after],
            )
    characters = len(arrays.output_VH)
    _join_columns(_compute(_PROJECT, layers, 0, arrays), characters, arrays, arrays.logits_TV)


@compiled
def _compute_losses(arrays: Any) -> None:
    """Compute the losses in nats; replace the logits by the gradients of the mean loss."""
    length = load_acquire(arrays.words, _LENGTH)
    arrays.one_hot_TV[:] = 0
    for t in range(length):
        logits_V, target = arrays.logits_TV[t], arrays.codes_T[t + 1]
        arrays.one_hot_TV[t, arrays.codes_T[t]] = 1
        logits_V += arrays.output_bias_V
        largest, total = logits_V.max(), np.float32(0)
        arrays.nats_T[t] = largest - logits_V[target]
        for v in range(len(logits_V)):
            logits_V[v] = np.exp(logits_V[v] - largest)
            total += logits_V[v]
        arrays.nats_T[t] += np.log(total)
        logits_V *= ONE / (total * np.float32(length))
        logits_V[target] -= ONE / np.float32(length)
    arrays.logits_TV[length:] = 0


@compiled
def _backward(arrays: Any) -> None:
    """Replace the activations by the gradients of the gates before their activation."""
    layers, _, units = arrays.hidden_LTH.shape
    length, size = load_acquire(arrays.words, _LENGTH), units * load_acquire(arrays.words, _LENGTH)
    grad_outputs_TH = arrays.grad_outputs_TH[:length]
    for layer in range(layers - 1, -1, -1):
        second = _compute(_PROJECT_BACKWARD, layer + 1, 0, arrays)
        grad_outputs_TH[:] = (arrays.parts[0, :size] + arrays.parts[second, :size]).reshape(
            length, units
        )
        gates_TG, cells_TH = arrays.gates_LTG[layer], arrays.cells_LTH[layer]
        grad_hidden_BH, grad_cell_BH = np.zeros((2, 1, units), np.float32)
        for t in range(length - 1, -1, -1):
            now = slice(t, t + 1)
            _backward_gates(
                grad_outputs_TH[now],
                grad_hidden_BH,
                gates_TG[now],
                cells_TH[now],
                cells_TH[t + 1 : t + 2],
                grad_cell_BH,
                gates_TG[now],
            )
            if t:
                second = _compute(_STEP_BACKWARD, layer, t, arrays)
                grad_hidden_BH[0] = arrays.parts[0, :units] + arrays.parts[second, :units]
        gates_TG[length:] = 0


@compiled
def _update_tiles(counter: Any, arrays: Any) -> None:
    """Claim tiles one by one and update their weights; count them in `words[counter]`."""
    tile = load_acquire(arrays.words, _TILE)
    while tile < len(arrays.tiles):
        if compare_exchange(arrays.words, _TILE, tile, tile + 1):
            update_tile(tile, arrays)
            store_release(arrays.words, counter, load_acquire(arrays.words, counter) + 1)
        tile = load_acquire(arrays.words, _TILE)


@compiled
def _is_updated(arrays: Any) -> bool:
    """Wait up to about 50 microseconds for the helper's last tile; return whether it is ready."""
    for _ in range(_MAX_POLLS):
        tiles = load_acquire(arrays.words, _LEADER_TILES)
        if tiles + load_acquire(arrays.words, _HELPER_TILES) == len(arrays.tiles):
            return True
        pause()
    return False


@compiled
def run(role: Any, length: Any, arrays: Any) -> Any:
    """Read a segment and learn from it, wait for the end of the update, or help.

    Returns whether all weights are updated. One function has all roles because loading a compiled
    function takes time.
    """
    if role == ROLE_HELP:
        _help(arrays)
        return True
    if role == ROLE_LEARN:
        words, layers = arrays.words, len(arrays.hidden_LTH)
        store_release(words, _LENGTH, length)
        _forward(arrays)
        _compute_losses(arrays)
        _backward(arrays)
        store_release(words, _LEADER_TILES, 0)
        store_release(words, _HELPER_TILES, 0)
        store_release(words, _TILE, 0)
        _post(_UPDATE, layers, 0, arrays)
        _update_tiles(_LEADER_TILES, arrays)
    return _is_updated(arrays)
