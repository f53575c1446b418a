"""The compiled loop of the 8-bit engine: it runs an LSTM character by character on two CPU cores.

The calling thread (the leader) computes the lower half of the units of each layer. A second thread
(the helper) computes the upper half. They synchronize through words of shared memory.

Shape suffixes: T characters, L layers, G gate rows (4H: i, f, g, o), H units, 2 buffers.
"""

import hashlib
import sys
import threading
from pathlib import Path
from typing import Any

import llvmlite.binding
import numba
import numpy as np
from numpy.typing import NDArray

from charrnn.numerics.atomics import compare_exchange, load_acquire, pause, store_release
from charrnn.numerics.compiled import compiled_exactly, inlined, sigmoid, tanh
from charrnn.numerics.cpu import available_cores
from charrnn.numerics.helper_thread import HelperThread
from charrnn.sampling.engines.int8.interface import Int8Weights
from charrnn.sampling.engines.int8.matmul import multiply_gates

_MIN_UNITS = 192  # with fewer units, synchronizing two cores costs more time than it saves
_MAX_TASK = 256  # characters read by one call of the compiled loop

# Indices of the shared words, one cache line apart: the number of layers that each thread has
# finished, the number of the current task, its length in characters, and the helper's state.
_LEADER_DONE, _HELPER_DONE, _ALONE_DONE, _TASK, _LENGTH, _HELPER_STATE = range(0, 48, 8)
_HELPER_ASLEEP, _HELPER_IDLE, _HELPER_BUSY = range(3)
_ROLE_ALONE, _ROLE_LEADER, _ROLE_HELPER = range(3)
_MAX_IDLE_POLLS = 50_000  # polls without a task before the helper sleeps: about a millisecond
_MAX_POLLS = 20_000  # polls per character; more mean that the helper lost its core to other work
_TASKS_ALONE = 100  # tasks that the leader then computes without the helper


class CompiledLoop:
    """The compiled loop, its working memory and its helper thread."""

    def __init__(self, weights: Int8Weights, use_helper: bool | None = None) -> None:
        """Compile or load the loop, and start the helper.

        `use_helper` None uses the helper if there are two cores and the layers are large enough.
        """
        layers, _, units = weights.recurrent_LGH.shape
        shape = layers, units
        if use_helper is None:
            use_helper = units >= _MIN_UNITS and available_cores() > 1
        self._words = np.zeros(48, np.int64)
        self._codes_T = np.zeros(_MAX_TASK, np.int64)
        self._hidden_2LH = np.zeros((2, *shape), np.int16)
        self._cells_LH = np.zeros(shape, np.float32)
        self._shared = (
            self._words,
            self._codes_T,
            tuple(weights),
            self._hidden_2LH,
            self._cells_LH,
        )
        self._lock = threading.Lock()
        shared = self._shared
        self._helper = HelperThread(
            self, lambda: _run_role(_ROLE_HELPER, 0, *shared), "charrnn-sampling"
        )
        self._use_helper, self._tasks_alone = use_helper, 0
        self._run_task(0)  # compiles the loop or loads it from the cache; starts the helper

    def read(
        self,
        codes_T: NDArray[np.integer[Any]],
        hidden_LH: NDArray[np.int16],
        cells_LH: NDArray[np.float32],
    ) -> None:
        """Read characters and update the state in place."""
        with self._lock:
            self._hidden_2LH[0], self._cells_LH[:] = hidden_LH, cells_LH
            for start in range(0, len(codes_T), _MAX_TASK):
                task_T = codes_T[start : start + _MAX_TASK]
                self._codes_T[: len(task_T)] = task_T
                self._run_task(len(task_T))
                if len(task_T) % 2:
                    self._hidden_2LH[0] = self._hidden_2LH[1]
            hidden_LH[:], cells_LH[:] = self._hidden_2LH[0], self._cells_LH

    def _run_task(self, length: int) -> None:
        """Run one task, with the helper if it is fast enough."""
        with_helper = self._use_helper and not self._tasks_alone
        polls = _run_role(_ROLE_LEADER if with_helper else _ROLE_ALONE, length, *self._shared)
        if not with_helper:
            self._tasks_alone = max(0, self._tasks_alone - 1)
        elif polls < 0:
            self._helper.wake()
        elif polls > _MAX_POLLS * length:
            self._tasks_alone = _TASKS_ALONE


@inlined
def _add_products(
    sums_G: Any, hidden_H: Any, weights_GH: Any, scales_G: Any, first: Any, end: Any
) -> None:
    units = len(sums_G) // 4
    for j in range(first, end):
        products = multiply_gates(hidden_H, weights_GH, j)
        for gate in range(4):
            g = gate * units + j
            sums_G[g] += scales_G[g] * np.float32(products[gate])


@inlined
def _add_row(sums_G: Any, row_G: Any, first: Any, end: Any) -> None:
    units = len(sums_G) // 4
    for gate in range(4):
        for g in range(gate * units + first, gate * units + end):
            sums_G[g] += row_G[g]


@inlined
def _gates(
    sums_G: Any, cells_H: Any, hidden_H: Any, first: Any, end: Any, hidden_scale: Any
) -> None:
    # LLVM vectorizes short loops over few arrays, so each operation has its own loop.
    units = len(cells_H)
    i, f = sums_G[first:end], sums_G[units + first : units + end]
    g, o = sums_G[2 * units + first : 2 * units + end], sums_G[3 * units + first : 3 * units + end]
    cell, hidden = cells_H[first:end], hidden_H[first:end]
    for j in range(len(cell)):
        i[j] = sigmoid(i[j]) * tanh(g[j])
    for j in range(len(cell)):
        f[j] = sigmoid(f[j])
    for j in range(len(cell)):
        cell[j] = f[j] * cell[j] + i[j]
    for j in range(len(cell)):
        o[j] = sigmoid(o[j]) * tanh(cell[j]) * hidden_scale
    for j in range(len(cell)):
        hidden[j] = np.int16(np.rint(o[j]))


@inlined
def _wait_for_layers(words: Any, other: Any, finished: Any) -> int:
    polls = 0
    while load_acquire(words, other) < finished:
        polls += 1
        pause()
    return polls


@compiled_exactly
def _advance(
    codes_T: Any,
    length: Any,
    weights: Any,
    hidden_2LH: Any,
    cells_LH: Any,
    words: Any,
    own: Any,
    other: Any,
    first: Any,
    end: Any,
) -> int:
    """Read characters in order; compute the units from `first` to `end` of each layer.

    Each character reads the hidden units from one half of `hidden_2LH` and writes them to the other
    half. This thread counts finished layers in `words[own]`; the thread that computes the other
    units counts them in `words[other]`. Returns the number of polls that found the other thread not
    ready.
    """
    table_VG, biases_LG, recurrent_LGH, recurrent_scales_LG, between_LGH, between_scales_LG = (
        weights[:6]
    )
    hidden_scale = weights[6]
    layers, units = cells_LH.shape
    sums_G = np.empty(4 * units, np.float32)
    finished, polls = load_acquire(words, own), 0
    for t in range(length):
        before_LH, after_LH = hidden_2LH[t % 2], hidden_2LH[1 - t % 2]
        for n in range(layers):
            hidden_H, scales_G = before_LH[n], recurrent_scales_LG[n]
            for j in range(first, end):
                products = multiply_gates(hidden_H, recurrent_LGH[n], j)
                for gate in range(4):
                    g = gate * units + j
                    sums_G[g] = biases_LG[n, g] + scales_G[g] * np.float32(products[gate])
            if n:
                polls += _wait_for_layers(words, other, finished)
                below_H, scales_G = after_LH[n - 1], between_scales_LG[n - 1]
                _add_products(sums_G, below_H, between_LGH[n - 1], scales_G, first, end)
            else:
                _add_row(sums_G, table_VG[codes_T[t]], first, end)
            _gates(sums_G, cells_LH[n], after_LH[n], first, end, hidden_scale)
            finished += 1
            store_release(words, own, finished)
        polls += _wait_for_layers(words, other, finished)
    return polls


@inlined
def _run_helper(words: Any, codes_T: Any, weights: Any, hidden_2LH: Any, cells_LH: Any) -> None:
    """Compute the upper half of the units of every task; return after a time without a task."""
    units = cells_LH.shape[1]
    own, other, first = np.int64(_HELPER_DONE), np.int64(_LEADER_DONE), units // 2
    task, idle = load_acquire(words, _TASK), 0
    store_release(words, _HELPER_STATE, _HELPER_IDLE)
    while idle <= _MAX_IDLE_POLLS or not compare_exchange(
        words, _HELPER_STATE, _HELPER_IDLE, _HELPER_ASLEEP
    ):
        if load_acquire(words, _TASK) != task:
            task, idle = task + 1, 0
            length = load_acquire(words, _LENGTH)
            _advance(
                codes_T, length, weights, hidden_2LH, cells_LH, words, own, other, first, units
            )
            store_release(words, _HELPER_STATE, _HELPER_IDLE)
        else:
            idle += 1
            pause()


@compiled_exactly
def _run_role(
    role: Any, length: Any, words: Any, codes_T: Any, weights: Any, hidden_2LH: Any, cells_LH: Any
) -> int:
    """Read characters as the leader (with the helper if it is idle) or alone, or run the helper.

    Returns the number of polls that found the helper not ready, -1 if the helper did not take part.
    One function has all roles because loading a compiled function takes as long as sampling
    hundreds of characters.
    """
    if role == _ROLE_HELPER:
        _run_helper(words, codes_T, weights, hidden_2LH, cells_LH)
        return -1
    # With plain constants, numba would compile _advance once for each value.
    first, end = np.int64(0), cells_LH.shape[1]
    own, other = np.int64(_ALONE_DONE), np.int64(_ALONE_DONE)
    with_helper = role == _ROLE_LEADER and compare_exchange(
        words, _HELPER_STATE, _HELPER_IDLE, _HELPER_BUSY
    )
    if with_helper:
        end, own, other = end // 2, np.int64(_LEADER_DONE), np.int64(_HELPER_DONE)
        store_release(words, _LENGTH, length)
        store_release(words, _TASK, load_acquire(words, _TASK) + 1)
    polls = _advance(codes_T, length, weights, hidden_2LH, cells_LH, words, own, other, first, end)
    return polls if with_helper else -1


def can_cache() -> bool:
    """Whether numba has a folder in which it can cache compiled code."""
    return _run_role.stats.cache_path is not None


def is_cached() -> bool:
    """Whether the cache holds the loop as this numba compiles it for this CPU."""
    if not can_cache():
        return False
    indexes = Path(_run_role.stats.cache_path).glob(f"{Path(__file__).stem}._run_role-*.nbi")
    return _marker().exists() and any(indexes)


def compile_to_cache() -> None:
    """Compile the loop and cache it. The compiled loop works for networks of any size."""
    rows, weights = np.zeros((1, 4), np.float32), np.zeros((1, 4, 1), np.int8)
    CompiledLoop(Int8Weights(rows, rows, weights, rows, weights, rows, np.float32(1)))
    if can_cache():
        _marker().touch()


def _marker() -> Path:
    """Return the path of the file that says that the loop is in the cache.

    Its name depends on all that numba compares before it uses cached code: the versions, the source
    and the CPU.
    """
    source = Path(__file__).stat()
    host = llvmlite.binding.get_host_cpu_name(), llvmlite.binding.get_host_cpu_features().flatten()
    key = sys.version, numba.__version__, source.st_mtime, source.st_size, host
    digest = hashlib.sha256(repr(key).encode()).hexdigest()
    return Path(_run_role.stats.cache_path) / f"{Path(__file__).stem}-{digest[:16]}.compiled"
