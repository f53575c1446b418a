"""How far back a model remembers, held against models whose memory is known."""

import numpy as np
import pytest
import torch

from charrnn.analysis.memory import memory
from charrnn.config.model import Cell, ModelConfig
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import CorpusError
from charrnn.model.network import CharRNN


def some_codes(length: int) -> "np.ndarray[tuple[int], np.dtype[np.uint8]]":
    return np.random.default_rng(3).integers(0, 4, length).astype(np.uint8)


def rnn_of(recurrent: float) -> CharRNN:
    """One unit that keeps a share of what it was; everything in its linear range."""
    model = CharRNN(ModelConfig(num_layers=1, hidden_size=1, cell="rnn"), Vocabulary(tuple("abcd")))
    with torch.no_grad():
        weights = model.layer_weights(0)
        weights.weight_ih_GI[:] = torch.tensor([[0.01, -0.01, 0.02, -0.02]])
        weights.weight_hh_GH[:] = recurrent
        model.output.weight[:] = torch.tensor([[1.0], [-1.0], [2.0], [0.5]])
    return model


def test_a_linear_memory_fades_by_its_weight_at_every_step() -> None:
    found = memory(rnn_of(0.8), some_codes(2000), farthest=20)
    for distance, length in found.gradient:
        assert length == pytest.approx(0.8 ** (distance - 1), rel=0.05)
    moved = dict(found.ablation)
    # the divergence of forecasts a little apart is of the second order; characters are drawn
    assert moved[10] / moved[1] == pytest.approx(0.8**18, rel=0.4)


def test_without_recurrence_the_last_character_alone_counts() -> None:
    found = memory(rnn_of(0.0), some_codes(2000), farthest=10)
    assert found.ablation[0][1] > 0
    assert all(value == 0 for _, value in (*found.ablation[1:], *found.gradient[1:]))
    assert found.reach(1e-12) == 1
    assert found.reach(1e9) == 0


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_every_cell_can_be_looked_at(cell: Cell) -> None:
    config = ModelConfig(num_layers=2, hidden_size=8, cell=cell)
    model = CharRNN(config, Vocabulary(tuple("abcd"))).initialize(1)
    found = memory(model, some_codes(500), farthest=30)
    assert [distance for distance, _ in found.gradient] == list(range(1, 31))
    assert found.ablation[-1][0] == 30
    assert found.gradient[0][1] == 1
    assert all(value > 0 for _, value in found.gradient)


def test_a_replaced_character_is_what_the_forecasts_are_held_against() -> None:
    config = ModelConfig(num_layers=1, hidden_size=8)
    model = CharRNN(config, Vocabulary(tuple("abcd"))).initialize(1)
    constant = np.zeros(500, np.uint8)  # what is replaced by the same moves nothing
    assert all(value < 1e-9 for _, value in memory(model, constant, farthest=10).ablation)


def test_a_text_too_short_to_look_back_is_refused() -> None:
    with pytest.raises(CorpusError, match="at least 112 are needed"):
        memory(rnn_of(0.5), some_codes(111), farthest=10)
