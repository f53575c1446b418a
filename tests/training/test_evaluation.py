import math
import threading

import numpy as np
import pytest

from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import DivergedError
from charrnn.model.network import CharRNN
from charrnn.training.evaluation import Evaluator
from tests.conftest import TINY_MODEL, UNREGULARISED

HELD_OUT = (np.arange(2500) % 5).astype(np.uint8)


@pytest.fixture
def model() -> CharRNN:
    return CharRNN(TINY_MODEL, Vocabulary("abcde")).initialize(1)


def test_a_held_out_loss_that_is_not_finite_is_divergence(model: CharRNN) -> None:
    evaluator = Evaluator(model, HELD_OUT, UNREGULARISED)
    loss = evaluator.loss(7, threading.Event())
    assert loss is not None
    assert math.isfinite(loss)
    model.output.bias.data[0] = math.nan
    with pytest.raises(DivergedError, match="before step 7: the held-out loss is nan") as error:
        evaluator.loss(7, threading.Event())
    assert error.value.step == 7


def test_a_stop_request_ends_an_evaluation(model: CharRNN) -> None:
    stop = threading.Event()
    stop.set()
    assert Evaluator(model, HELD_OUT, UNREGULARISED).loss(7, stop) is None


def test_a_preview_is_a_function_of_seed_and_step(model: CharRNN) -> None:
    evaluator = Evaluator(model, HELD_OUT, UNREGULARISED)
    assert len(evaluator.preview(3)) == 240
    assert evaluator.preview(3) == evaluator.preview(3)
    assert evaluator.preview(3) != evaluator.preview(4)
