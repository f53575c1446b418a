import dataclasses
import itertools

import pytest
import torch

from charrnn.config.model import ModelConfig
from charrnn.config.training import TrainConfig
from charrnn.data.vocabulary import Vocabulary
from charrnn.model.network import CharRNN
from charrnn.training.step.optimization import (
    average_decay,
    learning_rate,
    make_optimizer,
    update_average,
)
from tests.conftest import UNREGULARISED

CONFIG = TrainConfig(learning_rate=1.0, warmup_steps=10)


def test_the_rate_rises_then_falls_to_a_hundredth_at_the_horizon() -> None:
    rates = [learning_rate(step, 210, CONFIG) for step in range(211)]
    assert rates[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert rates[10] == 1.0
    assert rates[110] == pytest.approx(0.505)
    assert rates[210] == pytest.approx(0.01)
    assert all(later <= earlier for earlier, later in itertools.pairwise(rates[10:]))


def test_without_a_horizon_the_rate_stays_up() -> None:
    assert learning_rate(10_000, None, CONFIG) == 1.0


def test_a_short_run_warms_up_over_a_tenth_of_it() -> None:
    assert learning_rate(1, 20, CONFIG) == 1.0
    assert learning_rate(0, 5, CONFIG) == 1.0


def test_the_averages_follow_quickly_at_first() -> None:
    assert [average_decay(step, 0.995) for step in (0, 10, 10_000)] == [0.1, 11 / 20, 0.995]


def test_averaged_weights_move_by_one_minus_the_decay() -> None:
    shape, vocabulary = ModelConfig(num_layers=1, hidden_size=4), Vocabulary("ab")
    average, model = CharRNN(shape, vocabulary), CharRNN(shape, vocabulary).initialize(1)
    torch.nn.init.zeros_(average.output.weight)
    update_average(average, model, 0.9)
    torch.testing.assert_close(average.output.weight, 0.9 * model.output.weight)


def test_only_matrices_decay() -> None:
    model = CharRNN(ModelConfig(num_layers=2, hidden_size=4), Vocabulary("ab"))
    config = dataclasses.replace(UNREGULARISED, weight_decay=0.5)
    decaying, steady = make_optimizer(model, config).param_groups
    assert {each.dim() for each in decaying["params"]} == {2}
    assert decaying["weight_decay"] == 0.5
    assert {each.dim() for each in steady["params"]} == {1}
    assert steady["weight_decay"] == 0
    assert len(decaying["params"]) + len(steady["params"]) == len(list(model.parameters()))
