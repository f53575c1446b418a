import gc
import threading
import time
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.config.model import ModelConfig
from charrnn.data.vocabulary import Vocabulary
from charrnn.model.network import CharRNN
from charrnn.sampling.engines.int8 import compiled_loop
from charrnn.sampling.engines.int8.compiled_loop import CompiledLoop
from charrnn.sampling.engines.int8.engine import Int8Engine
from charrnn.sampling.engines.int8.interface import Int8Weights
from charrnn.sampling.engines.int8.numpy_loop import NumpyLoop
from charrnn.sampling.loop import generate

VOCABULARY = Vocabulary("\n abcdef")
SHAPE = ModelConfig(num_layers=3, hidden_size=24)
CODES = np.random.default_rng(1).integers(0, 8, 40).astype(np.uint8)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32),
    st.integers(1, 3),
    st.integers(1, 70),
    st.sampled_from([1e-3, 1.0, 30.0, 1e30]),
)
def test_compiled_loop_equals_numpy_loop_bit_for_bit(
    seed: int, layers: int, units: int, scale: float
) -> None:
    draws = np.random.default_rng(seed)

    def floats(*shape: int) -> np.ndarray:
        return (draws.normal(size=shape) * scale).astype(np.float32)

    def int8(*shape: int) -> np.ndarray:
        return draws.integers(-127, 127, shape, np.int8, endpoint=True)

    rows = 4 * units
    weights = Int8Weights(
        floats(8, rows),
        floats(layers, rows),
        int8(layers, rows, units),
        (floats(layers, rows) / 32767).astype(np.float32),
        int8(max(1, layers - 1), rows, units),
        (floats(max(1, layers - 1), rows) / 32767).astype(np.float32),
        np.float32(32767),
    )
    states = []
    for loop in (NumpyLoop(weights), CompiledLoop(weights)):
        hidden_LH = np.zeros((layers, units), np.int16)
        cells_LH = np.zeros((layers, units), np.float32)
        loop.read(CODES, hidden_LH, cells_LH)
        states.append((hidden_LH, cells_LH))
    np.testing.assert_array_equal(states[0][0], states[1][0])
    np.testing.assert_array_equal(states[0][1], states[1][1])
    assert states[0][1].any() or units < 8  # with few units, all output gates can be closed


def test_two_cores_give_the_text_of_one_core() -> None:
    model = CharRNN(replace(SHAPE, hidden_size=41), VOCABULARY).initialize(1)
    alone, assisted = (
        Int8Engine(model.arrays(), model.config, VOCABULARY, "a", make_loop)
        for make_loop in (
            partial(CompiledLoop, use_helper=False),
            partial(CompiledLoop, use_helper=True),
        )
    )
    long = np.tile(CODES, 20)  # longer than a task, so that the helper computes some of it
    actual = read_until_the_helper_takes_part(assisted, long)
    np.testing.assert_array_equal(actual, alone.read(long)[0])
    assert generate(assisted, length=300, seed=2) == generate(alone, length=300, seed=2)


def test_helper_sleeps_when_idle_and_wakes_for_work() -> None:
    _, assisted = engines_with_helper()
    for _ in range(2):
        read_until_the_helper_takes_part(assisted, CODES)
        loop, deadline = assisted._loop, time.monotonic() + 20
        assert isinstance(loop, CompiledLoop)
        while loop._words[compiled_loop._HELPER_STATE] != compiled_loop._HELPER_ASLEEP:
            assert time.monotonic() < deadline, "the helper keeps a core busy with waiting"
            time.sleep(0.01)


def test_slow_helper_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    alone, assisted = engines_with_helper()
    monkeypatch.setattr(compiled_loop, "_MAX_POLLS", -1)
    read_until_the_helper_takes_part(assisted, CODES)
    done = layers_done_by_the_helper(assisted)
    for _ in range(20):
        np.testing.assert_array_equal(assisted.read(CODES)[0], alone.read(CODES)[0])
    assert layers_done_by_the_helper(assisted) == done


def test_helper_thread_ends_with_its_engine() -> None:
    _, assisted = engines_with_helper()
    assisted.read(CODES)
    threads = [thread for thread in threading.enumerate() if thread.name == "charrnn-sampling"]
    assert threads
    del assisted
    gc.collect()
    deadline = time.monotonic() + 20
    while any(thread.is_alive() for thread in threads):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def engines_with_helper() -> tuple[Int8Engine, Int8Engine]:
    """Return two engines of one model, the second with a helper."""
    arrays = CharRNN(SHAPE, VOCABULARY).initialize(1).arrays()
    return (
        Int8Engine(arrays, SHAPE, VOCABULARY, "a", partial(CompiledLoop, use_helper=False)),
        Int8Engine(arrays, SHAPE, VOCABULARY, "a", partial(CompiledLoop, use_helper=True)),
    )


def read_until_the_helper_takes_part(engine: Int8Engine, codes_T: np.ndarray) -> np.ndarray:
    """Read the characters repeatedly; return the first result that the helper computed in part.

    A helper without work sleeps after a millisecond, and on a busy machine it wakes late. So the
    next read waits for it.
    """
    loop, before = engine._loop, layers_done_by_the_helper(engine)
    assert isinstance(loop, CompiledLoop)
    deadline = time.monotonic() + 60
    while True:
        result = engine.read(codes_T)[0]
        if layers_done_by_the_helper(engine) > before:
            return result
        assert time.monotonic() < deadline, "the helper computed nothing"
        until = time.monotonic() + 1
        while (
            loop._words[compiled_loop._HELPER_STATE] == compiled_loop._HELPER_ASLEEP
            and not loop._tasks_alone
            and time.monotonic() < until
        ):
            time.sleep(0)


def layers_done_by_the_helper(engine: Int8Engine) -> int:
    assert isinstance(engine._loop, CompiledLoop)
    return int(engine._loop._words[compiled_loop._HELPER_DONE])
