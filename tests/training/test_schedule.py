import dataclasses
import itertools

import pytest

from charrnn.training.schedule import average_decay, learning_rate
from tests.conftest import UNREGULARIZED

CONFIG = dataclasses.replace(UNREGULARIZED, learning_rate=1.0, warmup_steps=10)


def test_the_learning_rate_rises_then_falls_to_one_percent_at_the_horizon() -> None:
    rates = [learning_rate(step, 210, CONFIG) for step in range(211)]
    assert rates[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert rates[10] == 1.0
    assert rates[110] == pytest.approx(0.505)
    assert rates[210] == pytest.approx(0.01)
    assert all(later <= earlier for earlier, later in itertools.pairwise(rates[10:]))


def test_without_a_horizon_the_learning_rate_stays_at_its_highest() -> None:
    assert learning_rate(10_000, None, CONFIG) == 1.0


def test_a_short_run_warms_up_during_its_first_tenth() -> None:
    assert learning_rate(1, 20, CONFIG) == 1.0
    assert learning_rate(0, 5, CONFIG) == 1.0


def test_the_decay_of_the_averaged_weights_is_small_at_first() -> None:
    assert [average_decay(step, 0.995) for step in (0, 10, 10_000)] == [0.1, 11 / 20, 0.995]
