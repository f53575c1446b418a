"""The compiled loop of the engine for one text: an LSTM read character by character, on two cores.

Shape suffixes: T characters, L layers, G gate rows (4H: i, f, g, o), H units, 2 turns.
"""

import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.numerics.atomics import compare_exchange, load_acquire, pause, store_release
from charrnn.numerics.compiled import compiled_exactly, inlined, sigmoid, tanh
from charrnn.numerics.processor import cores_allowed
from charrnn.sampling.engines.int8.interface import WholeWeights
from charrnn.sampling.engines.int8.matmul import four_products

_FEWEST_UNITS = 192  # below, two cores lose more to waiting for each other than they gain
_LONGEST_TASK = 256  # characters read by one call of the compiled loop

# The words that leader and helper share, a cache line apart: layers finished by each, the number of
# the task at hand, how many characters it has, and what the helper is doing.
_LEADER_DONE, _HELPER_DONE, _ALONE_DONE, _TASK, _LENGTH, _HELPER = range(0, 48, 8)
_ASLEEP, _AWAKE, _AT_WORK = range(3)
_ALONE, _LEAD, _BE_HELPER = range(3)
_PATIENCE = 50_000  # looks at the task before the helper goes to sleep: about a millisecond
_LATE = 20_000  # looks at a helper that other work keeps from its core
_REST = 100  # tasks done alone after that


class CompiledLoop:
    """The compiled loop, the memory it works in, and the thread that helps it."""

    def __init__(self, weights: WholeWeights, helped: bool | None = None) -> None:
        """Take over the weights; `helped` by a second core: None, if there is one and it pays."""
        layers, _, units = weights.recurrent_LGH.shape
        shape = layers, units
        if helped is None:
            helped = units >= _FEWEST_UNITS and cores_allowed() > 1
        self._words = np.zeros(48, np.int64)
        self._codes_T = np.zeros(_LONGEST_TASK, np.int64)
        self._hidden_2LH = np.zeros((2, *shape), np.int16)
        self._cells_LH = np.zeros(shape, np.float32)
        self._shared = (
            self._words,
            self._codes_T,
            tuple(weights),
            self._hidden_2LH,
            self._cells_LH,
        )
        self._taken = threading.Lock()
        self._wake = threading.Event()
        self._helped, self._started, self._rest = helped, False, 0
        self._do(0)  # compiles, or loads what was compiled; wakes the helper

    def read(
        self,
        codes_T: NDArray[np.integer[Any]],
        hidden_LH: NDArray[np.int16],
        cells_LH: NDArray[np.float32],
    ) -> None:
        """Read characters; the state goes along in place."""
        with self._taken:
            self._hidden_2LH[0], self._cells_LH[:] = hidden_LH, cells_LH
            for start in range(0, len(codes_T), _LONGEST_TASK):
                task_T = codes_T[start : start + _LONGEST_TASK]
                self._codes_T[: len(task_T)] = task_T
                self._do(len(task_T))
                if len(task_T) % 2:
                    self._hidden_2LH[0] = self._hidden_2LH[1]
            hidden_LH[:], cells_LH[:] = self._hidden_2LH[0], self._cells_LH

    def _do(self, length: int) -> None:
        ask = self._helped and not self._rest
        waits = _take_part(_LEAD if ask else _ALONE, length, *self._shared)
        if not ask:
            self._rest = max(0, self._rest - 1)
        elif waits < 0:
            self._call_helper()
        elif waits > _LATE * length:
            self._rest = _REST

    def _call_helper(self) -> None:
        if not self._started:
            self._started, ended = True, threading.Event()
            weakref.finalize(self, _end_helper, self._wake, ended)
            threading.Thread(
                target=_help_when_called,
                args=(self._wake, ended, self._shared),
                name="charrnn-sampling",
                daemon=True,
            ).start()
        self._wake.set()


def _help_when_called(
    wake: threading.Event, ended: threading.Event, shared: tuple[Any, ...]
) -> None:
    while True:
        wake.wait()
        wake.clear()
        if ended.is_set():
            return
        _take_part(_BE_HELPER, 0, *shared)


def _end_helper(wake: threading.Event, ended: threading.Event) -> None:
    ended.set()
    wake.set()


@inlined
def _add_products(
    sums_G: Any, hidden_H: Any, weights_GH: Any, scales_G: Any, first: Any, end: Any
) -> None:
    units = len(sums_G) // 4
    for j in range(first, end):
        products = four_products(hidden_H, weights_GH, j)
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
def _gates(sums_G: Any, cells_H: Any, hidden_H: Any, first: Any, end: Any, unit: Any) -> None:
    # The passes are short loops over few arrays each: LLVM turns those into vector code.
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
        o[j] = sigmoid(o[j]) * tanh(cell[j]) * unit
    for j in range(len(cell)):
        hidden[j] = np.int16(np.rint(o[j]))


@inlined
def _wait_for(words: Any, other: Any, finished: Any) -> int:
    waits = 0
    while load_acquire(words, other) < finished:
        waits += 1
        pause()
    return waits


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
    """Read characters, one after another, for the units from `first` to `end` of each layer.

    Hidden units are read from one half of `hidden_2LH` and written to the other, in turn. Who
    computes the other units counts finished layers in `words[other]`, as this does in `words[own]`.
    Returns how often that was looked at in vain.
    """
    table_VG, biases_LG, recurrent_LGH, recurrent_scales_LG, between_LGH, between_scales_LG = (
        weights[:6]
    )
    unit = weights[6]
    layers, units = cells_LH.shape
    sums_G = np.empty(4 * units, np.float32)
    finished, waits = load_acquire(words, own), 0
    for t in range(length):
        before_LH, after_LH = hidden_2LH[t % 2], hidden_2LH[1 - t % 2]
        for n in range(layers):
            hidden_H, scales_G = before_LH[n], recurrent_scales_LG[n]
            for j in range(first, end):
                products = four_products(hidden_H, recurrent_LGH[n], j)
                for gate in range(4):
                    g = gate * units + j
                    sums_G[g] = biases_LG[n, g] + scales_G[g] * np.float32(products[gate])
            if n:
                waits += _wait_for(words, other, finished)
                below_H, scales_G = after_LH[n - 1], between_scales_LG[n - 1]
                _add_products(sums_G, below_H, between_LGH[n - 1], scales_G, first, end)
            else:
                _add_row(sums_G, table_VG[codes_T[t]], first, end)
            _gates(sums_G, cells_LH[n], after_LH[n], first, end, unit)
            finished += 1
            store_release(words, own, finished)
        waits += _wait_for(words, other, finished)
    return waits


@inlined
def _help(words: Any, codes_T: Any, weights: Any, hidden_2LH: Any, cells_LH: Any) -> None:
    """Compute the upper half of the units of every task, until none comes for a while."""
    units = cells_LH.shape[1]
    own, other, first = np.int64(_HELPER_DONE), np.int64(_LEADER_DONE), units // 2
    task, idle = load_acquire(words, _TASK), 0
    store_release(words, _HELPER, _AWAKE)
    while idle <= _PATIENCE or not compare_exchange(words, _HELPER, _AWAKE, _ASLEEP):
        if load_acquire(words, _TASK) != task:
            task, idle = task + 1, 0
            length = load_acquire(words, _LENGTH)
            _advance(
                codes_T, length, weights, hidden_2LH, cells_LH, words, own, other, first, units
            )
            store_release(words, _HELPER, _AWAKE)
        else:
            idle += 1
            pause()


@compiled_exactly
def _take_part(
    role: Any, length: Any, words: Any, codes_T: Any, weights: Any, hidden_2LH: Any, cells_LH: Any
) -> int:
    """Read characters alone or, if the helper is awake, with it; or be the helper.

    Returns how often the leader looked at the helper in vain, -1 if there was none. One function
    for all roles: loading a compiled function takes longer than writing hundreds of characters.
    """
    if role == _BE_HELPER:
        _help(words, codes_T, weights, hidden_2LH, cells_LH)
        return -1
    # Written so, numbers are no constants to numba, which would compile _advance for each anew.
    first, end = np.int64(0), cells_LH.shape[1]
    own, other = np.int64(_ALONE_DONE), np.int64(_ALONE_DONE)
    together = role == _LEAD and compare_exchange(words, _HELPER, _AWAKE, _AT_WORK)
    if together:
        end, own, other = end // 2, np.int64(_LEADER_DONE), np.int64(_HELPER_DONE)
        store_release(words, _LENGTH, length)
        store_release(words, _TASK, load_acquire(words, _TASK) + 1)
    waits = _advance(codes_T, length, weights, hidden_2LH, cells_LH, words, own, other, first, end)
    return waits if together else -1


def can_be_kept() -> bool:
    """Whether there is a folder where what was compiled can be kept."""
    return _take_part.stats.cache_path is not None


def is_compiled() -> bool:
    """Whether the loop was compiled and kept, after its source was written."""
    if not can_be_kept():
        return False
    written = Path(__file__).stat().st_mtime
    kept = Path(_take_part.stats.cache_path).glob(f"{Path(__file__).stem}._take_part-*.nbi")
    return any(index.stat().st_mtime >= written for index in kept)


def compile_for_later() -> None:
    """Compile the loop, which serves networks of any size, and keep it."""
    rows, weights = np.zeros((1, 4), np.float32), np.zeros((1, 4, 1), np.int8)
    CompiledLoop(WholeWeights(rows, rows, weights, rows, weights, rows, np.float32(1)))
