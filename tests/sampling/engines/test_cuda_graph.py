"""The block engine generates the same text as the eager engine.

Without a GPU, a function that repeats the work on the same memory replaces the CUDA graph.
"""

import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from charrnn.config.model import Cell, ModelConfig
from charrnn.config.sampling import SampleConfig
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import DeviceWarning
from charrnn.model.network import CharRNN
from charrnn.numerics.cuda_graph import CaptureError, Work
from charrnn.sampling import blocks
from charrnn.sampling.engines import cuda_graph
from charrnn.sampling.engines.cuda_graph import CudaGraphEngine, Draw
from charrnn.sampling.engines.eager import EagerEngine
from charrnn.sampling.engines.selection import engine_for
from charrnn.sampling.engines.step_kernels import Launch
from charrnn.sampling.filters import Filters, distribution, sample_codes
from charrnn.sampling.loop import generate, generate_scored, stream

VOCABULARY = Vocabulary(tuple("\n abcdefghij"))


def capture_by_call(work: Work) -> Work:
    work()
    return work


def network(cell: Cell = "lstm", hidden_size: int = 24) -> CharRNN:
    shape = ModelConfig(cell=cell, num_layers=2, hidden_size=hidden_size)
    return CharRNN(shape, VOCABULARY, line_start="a").initialize(5).requires_grad_(False)


def make_engines(model: CharRNN) -> tuple[CudaGraphEngine, EagerEngine]:
    return CudaGraphEngine(model, capture_by_call), EagerEngine(model)


@pytest.mark.parametrize("prompt", ["", "abc"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"temperature": 0.0},
        {"temperature": (0.7, 1.3), "top_k": 4},
        {"top_p": 0.7, "min_p": 0.1},
        {"num_samples": 3, "stop": "ab"},
        {"length": 63},
    ],
)
def test_blocks_give_the_same_text(settings: dict[str, Any], prompt: str) -> None:
    graphed, plain = make_engines(network())
    config = SampleConfig(**{"length": 200, "seed": 3, "temperature": 1.5} | settings)
    assert generate(graphed, prompt, config) == generate(plain, prompt, config)
    pieces = [[*stream(engine, prompt, config, temperature=1.0)] for engine in (graphed, plain)]
    assert pieces[0] == pieces[1]


@pytest.mark.parametrize(
    "settings",
    [{}, {"temperature": 0.0}, {"min_p": 0.1, "num_samples": 3}, {"top_k": 4}],
)
@pytest.mark.parametrize(("cell", "hidden_size"), [("lstm", 24), ("lstm", 7), ("gru", 8)])
def test_the_kernels_give_the_same_text(
    settings: dict[str, Any],
    cell: Cell,
    hidden_size: int,
    launch: Launch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_LENGTH", 8)
    model = network(cell, hidden_size)
    config = SampleConfig(**{"length": 20, "seed": 3, "temperature": 1.5} | settings)
    by_kernels = generate(CudaGraphEngine(model, capture_by_call, launch=launch), "ab", config)
    assert by_kernels == generate(EagerEngine(model), "ab", config)


@pytest.mark.parametrize(("cell", "hidden_size"), [("gru", 8), ("rnn", 8), ("lstm", 2)])
def test_other_cells_and_large_vocabularies_give_the_same_text(
    cell: Cell, hidden_size: int
) -> None:
    graphed, plain = make_engines(network(cell, hidden_size))
    config = SampleConfig(length=100, seed=1, num_samples=2)
    assert generate(graphed, "", config) == generate(plain, "", config)


def test_a_block_is_captured_once_for_its_size_and_filters() -> None:
    captured = []

    def capture(work: Work) -> Work:
        captured.append(work)
        return capture_by_call(work)

    engine = CudaGraphEngine(network(), capture)
    filters: list[dict[str, Any]] = [{}, {"temperature": 1.0}, {"top_k": 2}, {"top_p": 0.5}, {}]
    for options in filters:
        text = generate(engine, "a", length=200, seed=1, **options)
        assert text == generate(EagerEngine(network()), "a", length=200, seed=1, **options)
    assert len(captured) == 4


def test_a_last_shorter_block_is_not_captured_again() -> None:
    captured = []

    def capture(work: Work) -> Work:
        captured.append(work)
        return capture_by_call(work)

    engine = CudaGraphEngine(network(), capture)
    for length in (10, 64, 65, 100):
        assert len(generate(engine, "a", length=length, seed=1)[0]) == length
    assert len(captured) == 1


def test_the_next_block_is_started_before_a_block_is_decoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    events = []
    engine, decode = CudaGraphEngine(network(), capture_by_call), Vocabulary.decode_rows

    def sample_block(*arguments: Any) -> Any:
        events.append("start")
        return CudaGraphEngine.sample_block(engine, *arguments)

    def decode_rows(vocabulary: Vocabulary, codes_BK: NDArray[Any]) -> list[str]:
        events.append("decode")
        return decode(vocabulary, codes_BK)

    monkeypatch.setattr(engine, "sample_block", sample_block)
    monkeypatch.setattr(Vocabulary, "decode_rows", decode_rows)
    generate(engine, "a", length=3 * blocks.BLOCK_LENGTH, seed=1)
    assert events == ["start", "start", "decode", "start", "decode", "decode"]


def test_interleaved_streams_of_one_engine_are_independent() -> None:
    graphed, plain = make_engines(network())
    pairs = zip(
        stream(graphed, "a", length=150, seed=1),
        stream(graphed, "b", length=150, seed=2),
        strict=True,
    )
    first, second = ("".join(text) for text in zip(*pairs, strict=True))
    assert [first] == generate(plain, "a", length=150, seed=1)
    assert [second] == generate(plain, "b", length=150, seed=2)


@pytest.mark.parametrize("has_kernels", [False, True])
def test_weights_that_training_changed_are_read_at_the_next_prompt(
    has_kernels: bool, launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_LENGTH", 8)
    model = network()
    engine = CudaGraphEngine(model, capture_by_call, launch=launch if has_kernels else None)
    before = generate(engine, "a", length=20, seed=1)
    model.initialize(6)
    after = generate(engine, "a", length=20, seed=1)
    assert after == generate(EagerEngine(model), "a", length=20, seed=1)
    assert after != before


def test_logits_and_state_stay_on_the_device_between_blocks() -> None:
    engine = CudaGraphEngine(network(), capture_by_call)
    logits_1V, state = engine.read(VOCABULARY.encode("a"))
    uniforms_KB = np.full((4, 1), 0.5)
    wait, logits, new_state = engine.sample_block(
        logits_1V, state, uniforms_KB, Filters(temperature=1.0)
    )
    assert isinstance(logits, torch.Tensor)
    assert [part.shape for part in new_state.parts_LBH] == [part.shape for part in state.parts_LBH]
    codes_KB = wait().copy()
    engine.sample_block(logits, new_state, 0 * uniforms_KB, Filters(temperature=1.0))
    assert np.array_equal(codes_KB, wait())  # the next block has other memory


def test_without_a_captured_graph_the_text_is_the_same() -> None:
    def capture(work: Work) -> Work:
        work()
        raise CaptureError("no graphs here")

    model = network()
    engine = CudaGraphEngine(model, capture)
    sentence = r"cannot be captured as a CUDA graph \(no graphs here\), so its kernels are started"
    with pytest.warns(DeviceWarning, match=sentence):
        text = generate(engine, "a", length=150, seed=1)
    assert text == generate(EagerEngine(model), "a", length=150, seed=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the warning is issued once
        generate(engine, "a", length=10, seed=1, top_k=2)


def test_out_of_memory_in_a_capture_is_an_error() -> None:
    def capture(work: Work) -> Work:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        generate(CudaGraphEngine(network(), capture), "a", length=10)


@given(
    seed=st.integers(0, 2**32 - 1),
    temperature=st.sampled_from([0.0, 0.3, 1.0, 2.0]),
    top_k=st.none() | st.integers(1, 9),
    top_p=st.none() | st.floats(0.01, 1),
    min_p=st.none() | st.sampled_from([0.0, 1.0]) | st.floats(0, 1),
)
@example(seed=1, temperature=1.0, top_k=None, top_p=None, min_p=1.0)
def test_draw_samples_the_same_codes_as_sample_codes(
    seed: int, temperature: float, top_k: int | None, top_p: float | None, min_p: float | None
) -> None:
    draws = np.random.default_rng(seed)
    logits_BV = draws.normal(scale=3, size=(6, 11)).astype(np.float32)
    uniforms_B = draws.random(6)
    filters = Filters(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)
    codes_B = torch.full((6,), -1)
    draw = Draw(filters, torch.device("cpu"))
    draw(torch.from_numpy(logits_BV), torch.from_numpy(uniforms_B), codes_B)
    assert codes_B.tolist() == sample_codes(distribution(logits_BV, filters), uniforms_B).tolist()


@pytest.mark.parametrize("min_p", [None, 0.0, 0.1])
def test_nan_logits_give_codes_of_the_vocabulary(min_p: float | None) -> None:
    codes_B = torch.full((2,), -1)
    draw = Draw(Filters(temperature=1.0, min_p=min_p), torch.device("cpu"))
    draw(torch.full((2, 5), torch.nan), torch.tensor([0.0, 0.9], dtype=torch.float64), codes_B)
    assert 0 <= codes_B.min() <= codes_B.max() < 5


@pytest.mark.parametrize("precision", ["auto", "float32"])
def test_a_model_on_a_gpu_gets_this_engine_with_the_requested_precision(
    precision: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model: Any = SimpleNamespace(device=torch.device("cuda"))
    monkeypatch.setattr(
        cuda_graph, "CudaGraphEngine", lambda *arguments, **options: (arguments, options)
    )
    engine: Any = engine_for(model, precision)
    assert engine == ((model,), {"precision": precision})


def test_rules_and_scores_do_not_use_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    graphed, plain = make_engines(network())
    monkeypatch.setattr(graphed, "sample_block", None)
    config = SampleConfig(length=40, seed=2, ban="a")
    assert generate(graphed, "b", config) == generate(plain, "b", config)
    config = SampleConfig(length=40, seed=2)
    assert generate_scored(graphed, "b", config) == generate_scored(plain, "b", config)


@pytest.mark.gpu
def test_blocks_on_a_gpu_give_the_same_text() -> None:
    model = network().to("cuda")
    graphed = CudaGraphEngine(model, precision="float32")
    config = SampleConfig(length=300, seed=3, num_samples=2, top_p=0.9)
    assert generate(graphed, "a", config) == generate(EagerEngine(model), "a", config)
    assert blocks.BLOCK_LENGTH < 300


@pytest.mark.gpu
def test_rounded_factors_give_nearly_the_same_text_on_a_gpu() -> None:
    model = network().to("cuda")
    config = SampleConfig(length=64, seed=3, num_samples=64)
    rounded, exact = (
        generate(CudaGraphEngine(model, precision=precision), "a", config)
        for precision in ("auto", "float32")
    )
    same = sum(a == b for a, b in zip("".join(rounded), "".join(exact), strict=True))
    assert same > 0.7 * 64 * 64
