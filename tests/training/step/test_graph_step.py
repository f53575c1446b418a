"""The steps of a GPU against those of a processor: the same memory each time, no look between.

A CUDA graph does the captured work again on the same memory; without a GPU a function does.
"""

import dataclasses
import functools
import itertools
import threading
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch

from charrnn.data.batches import Batches
from charrnn.data.corpus import Corpus
from charrnn.errors import DeviceWarning
from charrnn.numerics.cuda_graph import CaptureError, Work
from charrnn.runs.run import Run
from charrnn.training import trainer
from charrnn.training.events import Evaluated, Event, Step, SteppedBack
from charrnn.training.loop import resume, train
from charrnn.training.step import inputs
from charrnn.training.step.graph_step import GraphedTrainStep
from tests.conftest import TINY_MODEL, TINY_TRAINING, last_event
from tests.training.tiny_runs import assert_same_but_for_the_steps_kept, digest, stopped_after, tiny

REGULARIZED: dict[str, Any] = {
    "output_dropout": 0.3,
    "weight_drop": 0.3,
    "input_dropout": 0.1,
    "state_drop": 0.2,
    "save_every": 7,
}


def rehearsed(work: Work) -> Work:
    """Stand in for a graph: rehearse, which moves the weights, and do the same work again."""
    for _ in range(3):
        work()
    return work


@pytest.fixture
def graphed(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Let runs of this test take their steps as on a GPU."""
    monkeypatch.setattr(
        trainer, "TrainStep", functools.partial(GraphedTrainStep, capture=rehearsed)
    )
    return monkeypatch


def arrays(run: str, part: Literal["model", "trainer"]) -> dict[str, Any]:
    return dict(Run.open(Path(run)).select("last").load(part))


def test_a_graph_gives_the_run_that_single_steps_give(
    text: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = list(tiny("plain", text, **REGULARIZED))
    monkeypatch.setattr(
        trainer, "TrainStep", functools.partial(GraphedTrainStep, capture=rehearsed)
    )
    ahead = list(tiny("graphed", text, **REGULARIZED))
    assert [type(each) for each in ahead] == [type(each) for each in events]
    for part in ("model", "trainer"):
        plain, found = arrays("plain", part), arrays("graphed", part)
        assert plain.keys() == found.keys()
        for name, array in plain.items():
            np.testing.assert_allclose(found[name], array, rtol=1e-4, atol=1e-6, err_msg=name)
    first, second = digest(Path("plain")), digest(Path("graphed"))
    assert first["steps"] == second["steps"]
    assert [row["step"] for row in first["rows"]] == [row["step"] for row in second["rows"]]
    for before, after in zip(first["rows"], second["rows"], strict=True):
        assert before["train_loss"] == pytest.approx(after["train_loss"], rel=1e-5)
        assert before["learning_rate"] == after["learning_rate"]
    steps = [each for each in ahead if isinstance(each, Step)]
    assert [each.step for each in steps] == list(range(1, 31))
    assert all(a.seconds < b.seconds for a, b in itertools.pairwise(steps))


def test_a_text_on_the_device_gives_the_same_run(
    text: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(tiny("plain", text))
    monkeypatch.setattr(inputs, "free_memory", lambda device: 4 * len(text.codes))
    monkeypatch.setattr(Batches, "window", None)  # which would gather it anew each step
    list(tiny("resident", text))
    assert digest(Path("resident")) == digest(Path("plain"))


@pytest.mark.parametrize("step", [0, 1, 5, 6, 7, 10, 14, 20, 23, 27])
def test_a_graphed_run_resumes_exactly(text: Corpus, graphed: Any, step: int) -> None:
    list(tiny("whole", text, **REGULARIZED))
    stop = threading.Event()
    events = stopped_after(tiny("parts", text, stop, **REGULARIZED), stop, step)
    assert step <= last_event(events).step < step + 5
    list(resume("parts"))
    assert_same_but_for_the_steps_kept(Path("parts"), Path("whole"))


def test_steps_end_where_something_is_due(text: Corpus, graphed: Any) -> None:
    lengths: list[int] = []
    plain = trainer.Trainer.take_steps

    def counted(self: trainer.Trainer, stop: bool = False) -> list[Step]:
        steps = plain(self, stop)
        lengths.append(len(steps))
        return steps

    graphed.setattr(trainer.Trainer, "take_steps", counted)
    list(tiny("run", text, log_every=10, eval_every=9, save_every=7, max_steps=22))
    assert np.cumsum(lengths).tolist() == [7, 9, 10, 14, 18, 20, 21, 22]


def test_divergence_is_told_of_the_very_step(text: Corpus, graphed: Any) -> None:
    plain, seen = torch.nn.utils.clip_grad_norm_, list[int]()

    def clip(parameters: Any, *arguments: Any) -> torch.Tensor:
        seen.append(1)
        norm = plain(parameters, *arguments)
        return norm * float("nan") if len(seen) == 3 + 13 else norm

    graphed.setattr(torch.nn.utils, "clip_grad_norm_", clip)
    events: list[Event] = list(tiny("run", text))
    (back,) = (each for each in events if isinstance(each, SteppedBack))
    assert "training diverged at step 13:" in back.why
    assert back.step == 10
    steps = [each.step for each in events if isinstance(each, Step)]
    assert steps == [*range(1, 11), *range(11, 31)]
    assert last_event(events).step == 30


def test_what_cannot_be_captured_is_computed_all_the_same(
    text: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(work: Work) -> Work:
        work()
        raise CaptureError("operation not permitted when stream is capturing")

    list(tiny("plain", text))
    monkeypatch.setattr(trainer, "TrainStep", functools.partial(GraphedTrainStep, capture=refused))
    with pytest.warns(DeviceWarning, match="captured as a CUDA graph .operation not permitted"):
        list(tiny("refused", text))
    for name, array in arrays("plain", "model").items():
        np.testing.assert_allclose(arrays("refused", "model")[name], array, rtol=1e-4, atol=1e-6)


@pytest.mark.gpu
def test_a_gpu_trains_and_resumes_exactly_by_graphs(text: Corpus) -> None:
    config = dataclasses.replace(TINY_TRAINING, device="cuda", max_steps=60, **REGULARIZED)
    losses = [
        each.val_loss
        for each in train(text, config, TINY_MODEL, out_dir="whole")
        if isinstance(each, Evaluated)
    ]
    assert losses[-1] < losses[0]
    for step in range(20):
        stop = threading.Event()
        stopped_after(
            train(text, config, TINY_MODEL, out_dir=f"parts-{step}", stop=stop), stop, step
        )
        list(resume(f"parts-{step}"))
        assert_same_but_for_the_steps_kept(Path(f"parts-{step}"), Path("whole"))
