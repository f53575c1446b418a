"""The compiled functions of dynamic evaluation: a segment of one stream on two CPU cores.

A segment is a list of jobs. The calling thread (the leader) does them in order. It divides each
product into two halves and posts one of them to a second thread (the helper). If the helper does
not finish its half in time, because other work occupies its core, the leader computes this half
too. The helper writes only to its own memory, so a late helper changes nothing. The tiles of an
update are claimed one by one.

LLVM compiles a kernel again for each place that calls it, so there are few such places.

Shape suffixes: as in `charrnn.analysis.adaptation_arrays`; B is one stream.
"""

from typing import Any

import numpy as np

from charrnn.analysis.adaptation_arrays import Arrays
from charrnn.analysis.adaptation_results import (
    finish_backward,
    finish_measurement,
    finish_projection,
    finish_step,
    half_bounds,
)
from charrnn.analysis.adaptation_update import compute_mean_squares, update_tile
from charrnn.numerics.atomics import compare_exchange, load_acquire, pause, store_release
from charrnn.numerics.compiled import compiled, compiled_part, inlined
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
_STEP, _STEP_BACKWARD, _PROJECT, _PROJECT_BACKWARD, _MEASURE, _UPDATE = range(6)
_MAX_POLLS = 2500  # about 50 microseconds
_MAX_IDLE = 20_000  # polls without a job before the helper sleeps: under half a millisecond
ROLE_LEARN, ROLE_WAIT, ROLE_HELP = range(3)
# numba compiles a function again for each argument that is a constant Python integer; not for this.
_SECOND = np.int64(1)
_LEADER, _HELPER = np.int64(0), np.int64(1)


def list_jobs(arrays: Arrays, length: int) -> list[tuple[int, int, int]]:
    """Return the jobs of a segment: kind, layer or matrix, and step.

    The output layer counts as a layer.
    """
    layers = len(arrays.hidden_LTH)
    jobs = []
    for layer in range(layers):
        jobs += [(_PROJECT, layer, 0)] if layer else []
        jobs += [(_STEP, layer, t) for t in range(length)]
    jobs.append((_PROJECT, layers, 0))
    for layer in range(layers - 1, -1, -1):
        jobs.append((_PROJECT_BACKWARD, layer, length))
        jobs += [(_STEP_BACKWARD, layer, t) for t in range(length - 1, 0, -1)]
    jobs += [(_MEASURE, matrix, 0) for matrix in range(len(arrays.matrices))]
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
def _compute_half(
    kind: Any, layer: Any, t: Any, half: Any, thread: Any, arrays: Any, out: Any
) -> None:
    """Compute one half of a job, or update tiles, with the memory of a thread."""
    if kind == _UPDATE:
        _update_tiles(thread, arrays)
        return
    if kind == _MEASURE:
        compute_mean_squares(layer, half, thread, arrays, out)
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
    first, end = half_bounds(len(weights_GH), half)
    if kind == _PROJECT:
        out_TG = out[: length * (end - first)].reshape(length, end - first)
        multiply_rows(weights_GH[first:end], arrays.hidden_LTH[layer - 1, 1 : length + 1], out_TG)
    else:
        out_TH = out[: length * units].reshape(length, units)
        for n in range(length * units):
            out[n] = 0
        add_product(gradient_TG[:length, first:end], weights_GH[first:end], out_TH)


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
        _compute_half(kind, layer, t, _SECOND, _HELPER, arrays, arrays.parts[1])
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
        _compute_half(kind, layer, t, half, _LEADER, arrays, arrays.parts[2 * half])
    return 2


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
            finish_projection(layer, length, second, arrays)
        elif kind == _STEP:
            finish_step(layer, t, second, arrays)
        elif kind == _MEASURE:
            finish_measurement(layer, second, arrays)
        elif kind != _UPDATE:
            finish_backward(layer, t - 1, kind == _PROJECT_BACKWARD, second, arrays)
    return _is_updated(arrays)
