"""Losses, gradients and weights that are not finite: training rolls back and saves none of them."""

import math
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from charrnn.config.training import Budget
from charrnn.data.corpus import Corpus
from charrnn.errors import DivergedError
from charrnn.model import loss
from charrnn.runs.metrics import read_rows
from charrnn.runs.run import Run
from charrnn.training.events import Event, RolledBack, Step
from charrnn.training.loop import resume
from charrnn.training.trainer import Trainer
from tests.conftest import VERSE, held_out_losses, last_event
from tests.training.tiny_runs import (
    assert_same_run_apart_from_kept_checkpoints,
    digest,
    stop_after,
    tiny,
)

Corruption = Callable[[pytest.MonkeyPatch], None]


def corrupt_weights(patch: pytest.MonkeyPatch) -> None:
    next(iter(CORRUPTED[0].model.parameters())).data.view(-1)[3] = math.nan


def corrupt_gradient(patch: pytest.MonkeyPatch) -> None:
    plain = torch.nn.utils.clip_grad_norm_

    def clip(parameters: Any, *arguments: Any) -> torch.Tensor:
        parameters = list(parameters)
        parameters[2].grad.view(-1)[0] = math.inf
        return plain(parameters, *arguments)

    patch.setattr(torch.nn.utils, "clip_grad_norm_", clip)


def corrupt_loss(patch: pytest.MonkeyPatch) -> None:
    plain = torch.nn.functional.cross_entropy
    patch.setattr(
        loss,
        "cross_entropy",
        lambda *args, **kw: plain(*args, **kw) * math.nan,
    )


CORRUPTED: list[Trainer] = []


def make_training_diverge(
    patch: pytest.MonkeyPatch, corrupt: Corruption, step: int, times: int
) -> None:
    """Make training diverge at the step after `step`, this number of times."""
    take_steps = Trainer.take_steps

    def corrupted(self: Trainer, stop: bool = False) -> list[Step]:
        if self.progress.step != step or self.progress.rollbacks >= times:
            return take_steps(self)
        CORRUPTED[:] = [self]
        with pytest.MonkeyPatch.context() as inner:
            corrupt(inner)
            return take_steps(self)

    patch.setattr(Trainer, "take_steps", corrupted)


@pytest.mark.parametrize("corrupt", [corrupt_weights, corrupt_gradient, corrupt_loss])
def test_training_rolls_back_and_halves_the_learning_rate(
    text: Corpus, monkeypatch: pytest.MonkeyPatch, corrupt: Corruption
) -> None:
    make_training_diverge(monkeypatch, corrupt, 14, times=1)
    events = list(tiny("run", text))
    rollback = next(event for event in events if isinstance(event, RolledBack))
    assert "training diverged at step 15: the loss is" in rollback.cause
    assert (rollback.step, rollback.rollbacks) == (10, 1)
    steps = [event for event in events if isinstance(event, Step)]
    assert [event.step for event in steps] == [*range(1, 15), *range(11, 31)]
    rates = {event.step: event.learning_rate for event in steps[:14]}
    assert steps[14].learning_rate == rates[11] / 2
    assert last_event(events).reason == "max_steps"
    assert [row["step"] for row in read_rows(Path("run/metrics.jsonl"))] == [5, 10, 15, 20, 25, 30]
    for checkpoint in Run.open(Path("run")).checkpoints():
        for part in ("model", "trainer"):
            assert all(np.isfinite(array).all() for array in checkpoint.load(part).values())


def test_checkpoints_after_the_rollback_point_are_removed(
    text: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_training_diverge(monkeypatch, corrupt_loss, 14, times=1)
    events = tiny("run", text, save_every=1)
    next(event for event in events if isinstance(event, RolledBack))
    events.close()  # as if killed
    assert Run.open(Path("run")).select("last").step == 10
    steps = [event.step for event in resume("run") if isinstance(event, Step)]
    assert steps == list(range(11, 31))


def test_before_the_first_evaluation_training_rolls_back_to_the_start(
    text: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_training_diverge(monkeypatch, corrupt_loss, 2, times=2)
    events = list(tiny("run", text))
    rollbacks = [event for event in events if isinstance(event, RolledBack)]
    assert [(event.step, event.rollbacks) for event in rollbacks] == [(0, 1), (0, 2)]
    assert last_event(events).step == 30


@pytest.mark.parametrize("step", [2, 10, 12, 14, 16, 25])
def test_a_run_with_rollbacks_resumes_exactly(
    text: Corpus, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    make_training_diverge(monkeypatch, corrupt_weights, 14, times=2)
    list(tiny("whole", text))
    stop = threading.Event()
    stop_after(tiny("parts", text, stop), stop, step)
    list(resume("parts"))
    assert digest(Path("whole"))["state"]["setbacks"] == 2
    assert_same_run_apart_from_kept_checkpoints(Path("parts"), Path("whole"))


def test_after_a_rollback_with_another_text_the_best_loss_is_of_that_text(
    text: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(tiny("run", text, max_steps=60, eval_every=30, learning_rate=0.02))
    Path("other.txt").write_text(VERSE[::-1] * 4, encoding="utf-8")
    make_training_diverge(monkeypatch, corrupt_loss, 65, times=1)
    events = list(resume("run", Budget(max_steps=70), corpus="other.txt"))
    assert any(isinstance(event, RolledBack) for event in events)
    losses = held_out_losses(events)
    assert list(losses) == [60, 70]
    finished = last_event(events)
    assert finished.best_val_loss == min(losses.values())
    best = Run.open(Path("run")).select("best")
    assert (best.step, best.val_loss) == (finished.best_step, finished.best_val_loss)


def test_the_error_after_three_rollbacks_gives_advice(
    text: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_training_diverge(monkeypatch, corrupt_loss, 14, times=99)
    events = list[Event]()
    with pytest.raises(
        DivergedError, match=r"at step 15: .* returned 3 times .*--learning-rate"
    ) as error:
        events.extend(tiny("run", text))
    assert error.value.step == 15
    assert [event.rollbacks for event in events if isinstance(event, RolledBack)] == [1, 2, 3]
    newest = Run.open(Path("run")).select("last")
    assert (newest.step, newest.state["setbacks"]) == (10, 3)
    with pytest.raises(DivergedError, match="returned 3 times"):
        list(resume("run"))


def test_a_weight_that_is_not_finite_is_never_saved(
    text: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_steps = Trainer.take_steps

    def corrupted(self: Trainer, stop: bool = False) -> list[Step]:
        steps = take_steps(self)
        if self.progress.step == 17 and not self.progress.rollbacks:
            CORRUPTED[:] = [self]
            corrupt_weights(monkeypatch)
        return steps

    monkeypatch.setattr(Trainer, "take_steps", corrupted)
    events = list(tiny("run", text, save_every=17))
    rollback = next(event for event in events if isinstance(event, RolledBack))
    assert "at step 17: a weight is not a finite number" in rollback.cause
    assert last_event(events).step == 30
