"""What a GPU writes in blocks is what is written character by character.

A CUDA graph does the captured work again on the same memory; without a GPU a function does.
"""

from typing import Any

import pytest

from charrnn.config.model import Cell, ModelConfig
from charrnn.config.sampling import SampleConfig
from charrnn.data.vocabulary import Vocabulary
from charrnn.model.network import CharRNN
from charrnn.numerics.cuda_graph import Work
from charrnn.sampling import loop
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
    monkeypatch.setattr(graphed, "sample_block", None)
    config = SampleConfig(length=40, seed=2, ban="a")
    assert generate(graphed, "b", config) == generate(plain, "b", config)
    config = SampleConfig(length=40, seed=2)
    assert judged(graphed, "b", config) == judged(plain, "b", config)


@pytest.mark.gpu
def test_a_gpu_writes_in_blocks_what_it_writes_one_by_one() -> None:
    model = network().to("cuda")
    config = SampleConfig(length=300, seed=3, num_samples=2, top_p=0.9)
    assert generate(GraphWriter(model), "a", config) == generate(TorchWriter(model), "a", config)
    assert loop._BLOCK < 300
