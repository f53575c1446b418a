import threading
from typing import Any

import numpy as np
import pytest
import torch

from charrnn.config.model import Cell, ModelConfig
from charrnn.config.sampling import SampleConfig
from charrnn.data.vocabulary import Vocabulary
from charrnn.model.network import CharRNN
from charrnn.numerics import threads
from charrnn.sampling.engines import packed
from charrnn.sampling.engines.cpu_step_kernels import draw
from charrnn.sampling.engines.eager import EagerEngine
from charrnn.sampling.engines.packed import PackedEngine
from charrnn.sampling.engines.selection import Precision, engine_for
from charrnn.sampling.filters import Filters
from charrnn.sampling.loop import generate

VOCABULARY = Vocabulary("\n abcdef")
PROMPT = VOCABULARY.encode("a bad\ncab")


def lstm(num_layers: int = 3, hidden_size: int = 24) -> CharRNN:
    shape = ModelConfig(num_layers=num_layers, hidden_size=hidden_size)
    return CharRNN(shape, VOCABULARY).initialize(1)


# 288 units make products large enough for packed weights.
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("auto", 2e-3)])
@pytest.mark.parametrize(("num_layers", "hidden_size"), [(1, 24), (3, 24), (2, 288)])
def test_logits_are_those_of_the_network(
    num_layers: int, hidden_size: int, precision: Precision, tolerance: float
) -> None:
    model = lstm(num_layers, hidden_size)
    packed, eager = PackedEngine(model, precision), EagerEngine(model)
    (_, state), (_, plain_state) = packed.read(PROMPT), eager.read(PROMPT)
    samples_B = np.zeros(5, np.int64)
    state, plain_state = (
        packed.select_samples(state, samples_B),
        eager.select_samples(plain_state, samples_B),
    )
    for codes_B in np.random.default_rng(1).integers(0, len(VOCABULARY), (9, 5)):
        logits_BV, state = packed.step(state, codes_B)
        plain_logits_BV, plain_state = eager.step(plain_state, codes_B)
        np.testing.assert_allclose(logits_BV, plain_logits_BV, atol=tolerance)


def test_states_are_never_modified() -> None:
    engine = PackedEngine(lstm())
    _, state = engine.read(PROMPT)
    copies = [part.clone() for part in state.parts_LBH]
    _, new_state = engine.step(state, np.array([3]))
    new_copies = [part.clone() for part in new_state.parts_LBH]
    engine.step(new_state, np.array([4]))
    assert all(map(torch.equal, state.parts_LBH, copies))
    assert all(map(torch.equal, new_state.parts_LBH, new_copies))
    assert not any(map(torch.equal, copies, new_copies))


@pytest.mark.parametrize("precision", ["float32", "auto"])
def test_sample_does_not_depend_on_the_batch(precision: Precision) -> None:
    engine = PackedEngine(lstm(2, 288), precision)
    many = generate(engine, "a", length=40, num_samples=70, seed=5)
    assert many[:3] == generate(engine, "a", length=40, num_samples=3, seed=5)
    assert len(set(many)) == 70


@pytest.mark.parametrize("precision", ["float32", "auto"])
@pytest.mark.parametrize("hidden_size", [24, 512])
def test_logits_of_a_text_have_the_same_bits_in_every_batch(
    hidden_size: int, precision: Precision
) -> None:
    engine = PackedEngine(lstm(2, hidden_size), precision)
    _, start = engine.read(PROMPT)
    codes_TB = np.random.default_rng(1).integers(0, len(VOCABULARY), (4, 70))

    def run(num_samples: int) -> list[Any]:
        logits, state = [], engine.select_samples(start, np.zeros(num_samples, np.int64))
        for codes_B in codes_TB[:, :num_samples]:
            logits_BV, state = engine.step(state, codes_B.copy())
            logits.append(logits_BV)
        return logits

    expected = run(70)
    for num_samples in (1, 2, 16, 31, 33, 40, 64):
        for logits_BV, expected_BV in zip(run(num_samples), expected, strict=True):
            np.testing.assert_array_equal(logits_BV, expected_BV[:num_samples])


@pytest.mark.parametrize("precision", ["float32", "auto"])
def test_blocks_in_threads_give_the_texts_of_single_steps(
    precision: Precision, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = PackedEngine(lstm(), precision)
    monkeypatch.setattr(engine, "prefers_blocks", lambda config: False)
    steps = generate(engine, "a", length=100, num_samples=70, seed=5)
    monkeypatch.setattr(engine, "prefers_blocks", lambda config: True)
    monkeypatch.setattr(threads, "count_parts", lambda streams, min_streams: 3)
    assert generate(engine, "a", length=100, num_samples=70, seed=5) == steps


@pytest.mark.parametrize("late", [0, 1])
def test_a_late_thread_does_not_delay_the_next_block_of_the_other(
    late: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "count_parts", lambda streams, min_streams: 2)
    engine, filters, uniforms_KB = PackedEngine(lstm()), Filters(temperature=1.0), np.zeros((2, 6))
    logits_1V, state = engine.read(PROMPT)
    state, logits_BV = engine.select_samples(state, np.zeros(6, np.int64)), logits_1V.repeat(6, 0)
    uniforms_KB[:, 3 * late] = 0.5  # marks the late half
    released = threading.Event()

    def draw_late(logits_BV: Any, filters: Filters, uniforms_B: Any, codes_B: Any) -> None:
        assert uniforms_B[0] == 0 or released.wait(60)
        draw(logits_BV, filters, uniforms_B, codes_B)

    monkeypatch.setattr(packed, "draw", draw_late)
    wait, _, shards = engine.sample_block(logits_BV, state, uniforms_KB, filters)
    wait_for_next, _, next_shards = engine.sample_block(None, shards, uniforms_KB, filters)
    next_shards[1 - late].result(timeout=60)
    assert not shards[late].done()
    released.set()
    assert wait().shape == wait_for_next().shape == (2, 6)


def test_blocks_are_used_for_several_threads_of_texts_that_cannot_end_early() -> None:
    engine = PackedEngine(lstm())
    threads_before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert engine.prefers_blocks(SampleConfig(num_samples=64))
        assert not engine.prefers_blocks(SampleConfig(num_samples=64, stop="a"))
        assert not engine.prefers_blocks(SampleConfig(num_samples=1))
        engine.separator_code = 0  # documents end early
        assert not engine.prefers_blocks(SampleConfig(num_samples=64))
    finally:
        torch.set_num_threads(threads_before)


@pytest.mark.parametrize(("cell", "kind"), [("lstm", PackedEngine), ("gru", EagerEngine)])
def test_packed_engine_is_selected_for_lstm_on_cpu(cell: Cell, kind: type[EagerEngine]) -> None:
    model = CharRNN(ModelConfig(cell=cell, num_layers=1, hidden_size=8), VOCABULARY)
    assert type(engine_for(model.initialize(1))) is kind
    assert type(engine_for(model.double())) is EagerEngine
