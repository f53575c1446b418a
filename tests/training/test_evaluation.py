import dataclasses
import itertools
import math
import threading

import numpy as np
import pytest
import torch

from charrnn.analysis.scoring import score_codes
from charrnn.config.model import Cell
from charrnn.config.sampling import SampleConfig
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import DivergedError
from charrnn.model.network import CharRNN
from charrnn.numerics.cuda_graph import Work
from charrnn.numerics.randomness import preview_seed
from charrnn.sampling.engines.cuda_graph import CudaGraphEngine
from charrnn.sampling.engines.eager import EagerEngine
from charrnn.sampling.engines.selection import engine_for_model
from charrnn.sampling.loop import generate
from charrnn.training import evaluation
from charrnn.training.evaluation import Evaluator
from tests.conftest import TINY_MODEL, UNREGULARIZED

HELD_OUT = (np.arange(2500) % 5).astype(np.uint8)


@pytest.fixture(autouse=True)
def _short_previews() -> None:
    """Previews have their usual length here."""


@pytest.fixture
def model() -> CharRNN:
    return CharRNN(TINY_MODEL, Vocabulary("abcde")).initialize(1)


def test_a_held_out_loss_that_is_not_finite_raises_diverged_error(model: CharRNN) -> None:
    evaluator = Evaluator(model, HELD_OUT, UNREGULARIZED)
    loss = evaluator.loss(7, threading.Event())
    assert loss is not None
    assert math.isfinite(loss)
    model.output.bias.data[0] = math.nan
    with pytest.raises(DivergedError, match="before step 7: the held-out loss is nan") as error:
        evaluator.loss(7, threading.Event())
    assert error.value.step == 7


def test_an_evaluation_reads_no_more_than_its_limit(model: CharRNN) -> None:
    config = dataclasses.replace(UNREGULARIZED, eval_characters=300)
    evaluator = Evaluator(model, HELD_OUT, config)
    expected = score_codes(model, HELD_OUT[:301]).nats_per_char
    assert evaluator.characters == 300
    assert evaluator.loss(0, threading.Event()) == pytest.approx(expected, rel=1e-5)


def test_a_stop_request_ends_an_evaluation(model: CharRNN) -> None:
    stop = threading.Event()
    stop.set()
    assert Evaluator(model, HELD_OUT, UNREGULARIZED).loss(7, stop) is None


def test_a_preview_is_a_function_of_seed_and_step(model: CharRNN) -> None:
    evaluator = Evaluator(model, HELD_OUT, UNREGULARIZED)
    assert len(evaluator.preview(3)) == 240
    assert evaluator.preview(3) == evaluator.preview(3)
    assert evaluator.preview(3) != evaluator.preview(4)


def test_on_a_gpu_all_previews_share_one_captured_graph(
    model: CharRNN, monkeypatch: pytest.MonkeyPatch
) -> None:
    captured: list[Work] = []

    def capture(work: Work) -> Work:
        captured.append(work)
        work()
        return work

    monkeypatch.setattr(
        evaluation, "engine_for_model", lambda model, _: CudaGraphEngine(model, capture)
    )
    evaluator, plain = (Evaluator(model, HELD_OUT, UNREGULARIZED) for _ in range(2))
    first = evaluator.preview(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.5)
    second = evaluator.preview(3)
    assert len(captured) == 1
    assert second != first
    monkeypatch.setattr(evaluation, "engine_for_model", lambda model, _: EagerEngine(model))
    assert second == plain.preview(3)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_preview_uses_the_current_weights(cell: Cell) -> None:
    model = CharRNN(dataclasses.replace(TINY_MODEL, cell=cell), Vocabulary("abcde")).initialize(1)
    evaluator = Evaluator(model, HELD_OUT, UNREGULARIZED)
    first = evaluator.preview(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.5)
    second = evaluator.preview(3)
    assert second == Evaluator(model, HELD_OUT, UNREGULARIZED).preview(3)
    assert second != first


@pytest.mark.parametrize(("separator", "joint"), [("\n", "\n"), ("e", "\n\n")])
def test_a_preview_of_documents_shows_as_many_as_fit(separator: str, joint: str) -> None:
    model = CharRNN(TINY_MODEL, Vocabulary("\nabcde"), separator=separator).initialize(1)
    model.output.bias.data.fill_(0)[model.separator_code] = -1.5  # documents of about 25 characters
    engine = engine_for_model(model)
    preview = Evaluator(model, HELD_OUT, UNREGULARIZED).preview(3)
    config = SampleConfig(length=240, num_samples=8, seed=preview_seed(UNREGULARIZED.seed, 3))
    documents = generate(engine, config=config)
    lengths = itertools.accumulate(len(joint) + len(document) for document in documents)
    count = max(1, sum(length - len(joint) <= 240 for length in lengths))
    assert count > 1
    assert preview == joint.join(documents[:count])
