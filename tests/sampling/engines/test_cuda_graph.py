"""What a GPU writes in blocks is what is written character by character.

A CUDA graph does the captured work again on the same memory; without a GPU a function does.
"""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config.model import Cell, ModelConfig
from charrnn.config.sampling import SampleConfig
from charrnn.data.vocabulary import Vocabulary
from charrnn.model.network import CharRNN
from charrnn.numerics.cuda_graph import Work
from charrnn.sampling import filters, loop
from charrnn.sampling.engines.cuda_graph import GraphWriter
from charrnn.sampling.engines.eager import TorchWriter
from charrnn.sampling.loop import generate, judged, stream

VOCABULARY = Vocabulary(tuple("\n abcdefghij"))


def rehearsed(work: Work) -> Work:
    work()
    return work


def network(cell: Cell = "lstm", hidden_size: int = 24) -> CharRNN:
    shape = ModelConfig(cell=cell, num_layers=2, hidden_size=hidden_size)
    return CharRNN(shape, VOCABULARY, line_start="a").initialize(5).requires_grad_(False)


def both(model: CharRNN) -> tuple[GraphWriter, TorchWriter]:
    return GraphWriter(model, rehearsed), TorchWriter(model)


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
def test_blocks_hold_the_same_text(settings: dict[str, Any], prompt: str) -> None:
    graphed, plain = both(network())
    config = SampleConfig(**{"length": 200, "seed": 3, "temperature": 1.5} | settings)
    assert generate(graphed, prompt, config) == generate(plain, prompt, config)
    pieces = [[*stream(each, prompt, config, temperature=1.0)] for each in (graphed, plain)]
    assert pieces[0] == pieces[1]


@pytest.mark.parametrize(("cell", "hidden_size"), [("gru", 8), ("rnn", 8), ("lstm", 2)])
def test_other_cells_and_large_vocabularies_are_written_too(cell: Cell, hidden_size: int) -> None:
    graphed, plain = both(network(cell, hidden_size))
    config = SampleConfig(length=100, seed=1, num_samples=2)
    assert generate(graphed, "", config) == generate(plain, "", config)


def test_a_block_is_captured_once_for_its_size_and_filters() -> None:
    captured = []

    def capture(work: Work) -> Work:
        captured.append(work)
        return rehearsed(work)

    writer = GraphWriter(network(), capture)
    filters: list[dict[str, Any]] = [{}, {"temperature": 1.0}, {"top_k": 2}, {"top_p": 0.5}, {}]
    for each in filters:
        text = generate(writer, "a", length=200, seed=1, **each)
        assert text == generate(TorchWriter(network()), "a", length=200, seed=1, **each)
    assert len(captured) == 4


def test_rules_and_likelihoods_are_looked_at_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    graphed, plain = both(network())
    monkeypatch.setattr(graphed, "draw_block", None)
    config = SampleConfig(length=40, seed=2, ban="a")
    assert generate(graphed, "b", config) == generate(plain, "b", config)
    config = SampleConfig(length=40, seed=2)
    assert judged(graphed, "b", config) == judged(plain, "b", config)


@given(
    seed=st.integers(0, 2**32 - 1),
    temperature=st.sampled_from([0.0, 0.3, 1.0, 2.0]),
    top_k=st.none() | st.integers(1, 9),
    top_p=st.none() | st.floats(0.01, 1),
    min_p=st.none() | st.floats(0, 1),
    ties=st.booleans(),
)
def test_filters_do_the_same_to_tensors_and_arrays(
    seed: int,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    min_p: float | None,
    ties: bool,
) -> None:
    draws = np.random.default_rng(seed)
    logits_BV = draws.normal(size=(4, 7)).astype(np.float32)
    if ties:
        logits_BV = logits_BV.round()
    config = SampleConfig(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)
    p_BV = filters.distribution(logits_BV, config)
    same_BV = filters.distribution(torch.from_numpy(logits_BV), config)
    assert isinstance(same_BV, torch.Tensor)
    np.testing.assert_allclose(same_BV.numpy(), p_BV, rtol=1e-12, atol=1e-15)
    uniforms_B = draws.uniform(size=4)
    codes_B = filters.draw(torch.from_numpy(p_BV), torch.from_numpy(uniforms_B))
    assert codes_B.tolist() == filters.draw(p_BV, uniforms_B).tolist()


@pytest.mark.gpu
def test_a_gpu_writes_in_blocks_what_it_writes_one_by_one() -> None:
    model = network().to("cuda")
    config = SampleConfig(length=300, seed=3, num_samples=2, top_p=0.9)
    assert generate(GraphWriter(model), "a", config) == generate(TorchWriter(model), "a", config)
    assert loop._BLOCK < 300
