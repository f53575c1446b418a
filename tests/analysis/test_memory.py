"""Tests of the memory of models, with models whose memory is known."""

import numpy as np
import pytest
import torch

from charrnn.analysis import memory
from charrnn.analysis.memory import measure_memory
from charrnn.config.model import Cell, ModelConfig
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import CorpusError
from charrnn.model.network import CharRNN


def random_codes(length: int) -> "np.ndarray[tuple[int], np.dtype[np.uint8]]":
    return np.random.default_rng(3).integers(0, 4, length).astype(np.uint8)


def rnn_of(recurrent: float) -> CharRNN:
    """Return a model with one unit in its linear range, with this recurrent weight."""
    model = CharRNN(ModelConfig(num_layers=1, hidden_size=1, cell="rnn"), Vocabulary(tuple("abcd")))
    with torch.no_grad():
        weights = model.layer_weights(0)
        weights.weight_ih_GI[:] = torch.tensor([[0.01, -0.01, 0.02, -0.02]])
        weights.weight_hh_GH[:] = recurrent
        model.output.weight[:] = torch.tensor([[1.0], [-1.0], [2.0], [0.5]])
    return model


def test_memory_of_a_linear_unit_decays_by_its_weight() -> None:
    memory = measure_memory(rnn_of(0.8), random_codes(2000), max_distance=20)
    for distance, norm in memory.gradient:
        assert norm == pytest.approx(0.8 ** (distance - 1), rel=0.05)
    divergences = dict(memory.ablation)
    # The divergence is quadratic in small changes. The tolerance covers the random characters.
    assert divergences[10] / divergences[1] == pytest.approx(0.8**18, rel=0.4)


def test_without_recurrence_only_the_last_character_matters() -> None:
    memory = measure_memory(rnn_of(0.0), random_codes(2000), max_distance=10)
    assert memory.ablation[0][1] > 0
    assert all(value == 0 for _, value in (*memory.ablation[1:], *memory.gradient[1:]))
    assert memory.reach(1e-12) == 1
    assert memory.reach(1e9) == 0


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_memory_is_measured_for_every_cell(cell: Cell) -> None:
    config = ModelConfig(num_layers=2, hidden_size=8, cell=cell)
    model = CharRNN(config, Vocabulary(tuple("abcd"))).initialize(1)
    memory = measure_memory(model, random_codes(500), max_distance=30)
    assert [distance for distance, _ in memory.gradient] == list(range(1, 31))
    assert memory.ablation[-1][0] == 30
    assert memory.gradient[0][1] == 1
    assert all(value > 0 for _, value in memory.gradient)


def test_ablation_with_the_same_character_has_no_effect() -> None:
    config = ModelConfig(num_layers=1, hidden_size=8)
    model = CharRNN(config, Vocabulary(tuple("abcd"))).initialize(1)
    constant = np.zeros(500, np.uint8)  # each replacement is the same character
    assert all(
        value < 1e-9 for _, value in measure_memory(model, constant, max_distance=10).ablation
    )


def test_text_shorter_than_the_distance_is_an_error() -> None:
    with pytest.raises(CorpusError, match="at least 112 are needed"):
        measure_memory(rnn_of(0.5), random_codes(111), max_distance=10)
    assert len(measure_memory(rnn_of(0.5), random_codes(112), max_distance=10).gradient) == 10


def test_windows_are_in_one_document() -> None:
    model = rnn_of(0.8)
    model.separator_code = 0
    lengths = [50, 115, 20, 300, 114, 116]
    text = "a".join(("bcd" * 100)[:length] for length in lengths)
    codes = model.vocabulary.encode(text)
    starts_W = memory._choose_windows(model, codes, 115, 13)
    windows = {text[start : start + 115] for start in starts_W.tolist()}
    assert not any("a" in window for window in windows)
    starts = set(starts_W.tolist())
    assert {51, text.index("bcd" * 100), len(text) - 115} <= starts  # all long enough ones
    assert measure_memory(model, codes, max_distance=13).ablation[0][1] > 0
    with pytest.raises(CorpusError, match="the longest document, of 300 characters, is too short"):
        measure_memory(model, codes, max_distance=250)
