"""The compiled functions of dynamic evaluation: a segment of one stream on two CPU cores.

A segment is a list of jobs. The calling thread (the leader) does them in order. It divides each
product into two halves and posts one of them to a second thread (the helper). If the helper does
not finish its half in time, because other work occupies its core, the leader computes this half
too. The helper writes only to its own memory, so a late helper changes nothing. The tiles of an
update are claimed one by one.

Each kernel is called at one place, because LLVM compiles it again for each call.

Shape suffixes: as in `charrnn.analysis.adaptation_arrays`; B is one stream.
"""

from typing import Any

import numpy as np

from charrnn.analysis.adaptation_update import update_tile
from charrnn.numerics.activations import ONE
from charrnn.numerics.atomics import compare_exchange, load_acquire, pause, store_release
from charrnn.numerics.compiled import compiled, compiled_part, inlined
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
_STEP, _STEP_BACKWARD, _PROJECT, _PROJECT_BACKWARD, _UPDATE = range(5)
_MAX_POLLS = 2500  # about 50 microseconds
_MAX_IDLE = 20_000  # polls without a job before the helper sleeps: under half a millisecond
ROLE_LEARN, ROLE_WAIT, ROLE_HELP = range(3)
# numba compiles a function again for each argument that is a constant Python integer; not for this.
_SECOND = np.int64(1)

_forward_gates, _backward_gates = gates.forward, gates.backward


def list_jobs(layers: int, length: int) -> list[tuple[int, int, int]]:
    """Return the jobs of a segment: kind, layer and step. The output layer counts as a layer."""
    jobs = []
    for layer in range(layers):
        jobs += [(_PROJECT, layer, 0)] if layer else []
        jobs += [(_STEP, layer, t) for t in range(length)]
    jobs.append((_PROJECT, layers, 0))
    for layer in range(layers - 1, -1, -1):
        jobs.append((_PROJECT_BACKWARD, layer, length))
        jobs += [(_STEP_BACKWARD, layer, t) for t in range(length - 1, 0, -1)]
    return [*jobs, (_UPDATE, 0, 0)]


@inlined
def _update_tiles(thread: Any, arrays: Any) -> None:
    """Claim tiles one by one and update their weights; count them."""
    tile = load_acquire(arrays.words, _TILE)
    finished = _HELPER_TILES if thread else _LEADER_TILES
    while tile < len(arrays.tiles):
        if compare_exchange(arrays.words, _TILE, tile, tile + 1):
            update_tile(tile, thread, arrays)
            store_release(arrays.words, finished, load_acquire(arrays.words, finished) + 1)
        tile = load_acquire(arrays.words, _TILE)


@compiled_part
def _is_updated(arrays: Any) -> bool:
    """Wait up to about 50 microseconds for the helper's last tile; return whether it is ready."""
    for _ in range(_MAX_POLLS):
        tiles = load_acquire(arrays.words, _LEADER_TILES)
        if tiles + load_acquire(arrays.words, _HELPER_TILES) == len(arrays.tiles):
            return True
        pause()
    return False


@compiled_part
def _compute_half(kind: Any, layer: Any, t: Any, half: Any, arrays: Any, out: Any) -> None:
    """Compute one half of a product, or update tiles."""
    if kind == _UPDATE:
        _update_tiles(half, arrays)
        return
    layers, _, units = arrays.hidden_LTH.shape
    if kind <= _STEP_BACKWARD:
        first, end = half * 2 * units, (half + 1) * 2 * units
        copy_GH = arrays.copies_LGH[layer, first:end]
        if kind == _STEP:
            multiply_vector(copy_GH, arrays.hidden_LTH[layer, t], out)
        else:
            for j in range(units):
                out[j] = 0
            add_vector_product(arrays.gates_LTG[layer, t, first:end], copy_GH, out[:units])
        return
    length = load_acquire(arrays.words, _LENGTH)
    above = layer if kind == _PROJECT else layer + 1
    weights_GH = arrays.output_VH if above == layers else arrays.inputs_MGH[above - 1]
    gradient_TG = arrays.logits_TV if above == layers else arrays.gates_LTG[above]
    first, end = _half_bounds(len(weights_GH), half)
    if kind == _PROJECT:
        out_TG = out[: length * (end - first)].reshape(length, end - first)
        multiply_rows(weights_GH[first:end], arrays.hidden_LTH[layer - 1, 1 : length + 1], out_TG)
    else:
        out_TH = out[: length * units].reshape(length, units)
        for n in range(length * units):
            out[n] = 0
        add_product(gradient_TG[:length, first:end], weights_GH[first:end], out_TH)


@inlined
def _half_bounds(rows: Any, half: Any) -> Any:
    """Return the first row and the end row of a half."""
    return (rows // 2, rows) if half else (0, rows // 2)


@inlined
def _help(arrays: Any) -> None:
    """Do the posted jobs; return after about half a millisecond without one."""
    done, polls = load_acquire(arrays.words, _POSTED), 0
    store_release(arrays.words, HELPER_DONE, done)
    while polls < _MAX_IDLE:
        job = load_acquire(arrays.words, _POSTED)
        if job == done:
            polls += 1
            pause()
            continue
        kind, layer, t = arrays.jobs[job % len(arrays.jobs)]
        _compute_half(kind, layer, t, _SECOND, arrays, arrays.parts[1])
        done, polls = job, 0
        store_release(arrays.words, HELPER_DONE, done)
    store_release(arrays.words, HELPER_DONE, ASLEEP)


@inlined
def _compute(number: Any, arrays: Any) -> Any:
    """Compute both halves of a product: `parts[0]`, and the part whose index is returned."""
    kind, layer, t = arrays.jobs[number]
    posted, jobs = load_acquire(arrays.words, _POSTED), len(arrays.jobs)
    job, polls = (posted // jobs + 1) * jobs + number, 0
    if load_acquire(arrays.words, HELPER_DONE) == posted:  # it has finished its last job
        store_release(arrays.words, _POSTED, job)
        polls = _MAX_POLLS
    for half in range(1 if kind == _UPDATE else 2):
        for _ in range(polls * half):
            if load_acquire(arrays.words, HELPER_DONE) == job:
                return 1
            pause()
        _compute_half(kind, layer, t, half, arrays, arrays.parts[2 * half])
    return 2


@compiled_part
def _compute_losses(arrays: Any) -> None:
    """Compute the losses in nats; replace the logits by the gradients of the mean loss."""
    length = load_acquire(arrays.words, _LENGTH)
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
def _finish_projection(layer: Any, second: Any, arrays: Any) -> None:
    """Copy the halves of a projection into its columns; compute the losses from the logits."""
    is_output = layer == len(arrays.hidden_LTH)
    out_TG = arrays.logits_TV if is_output else arrays.gates_LTG[layer]
    for half, part in ((0, 0), (1, second)):
        first, end = _half_bounds(out_TG.shape[1], half)
        width = end - first
        for t in range(load_acquire(arrays.words, _LENGTH)):
            for column in range(width):
                out_TG[t, first + column] = arrays.parts[part, t * width + column]
    if is_output:
        _compute_losses(arrays)


@inlined
def _finish_step(layer: Any, t: Any, second: Any, arrays: Any) -> None:
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
def _finish_backward(layer: Any, t: Any, is_last: Any, second: Any, arrays: Any) -> None:
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


@compiled
def run(role: Any, length: Any, arrays: Any) -> Any:
    """Read a segment and learn from it, wait for the end of the update, or help.

    Returns whether all weights are updated. One function has all roles because loading a compiled
    function takes time.
    """
    words = arrays.words
    if role == ROLE_HELP:
        _help(arrays)
        return True
    if role == ROLE_WAIT:
        return _is_updated(arrays)
    store_release(words, _LENGTH, length)
    for number in range(len(arrays.jobs)):
        kind, layer, t = arrays.jobs[number]
        if kind < 0:  # the list of a short segment has ended
            break
        if kind == _UPDATE:
            for index in (_LEADER_TILES, _HELPER_TILES, _TILE):
                store_release(words, index, 0)
        second = _compute(number, arrays)
        if kind == _PROJECT:
            _finish_projection(layer, second, arrays)
        elif kind == _STEP:
            _finish_step(layer, t, second, arrays)
        elif kind != _UPDATE:
            _finish_backward(layer, t - 1, kind == _PROJECT_BACKWARD, second, arrays)
    return _is_updated(arrays)
