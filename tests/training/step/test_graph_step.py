"""Steps with a CUDA graph give the same run as single steps on a CPU.

Without a GPU, a function that repeats the work on the same memory replaces the CUDA graph.
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
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import DeviceWarning
from charrnn.model.network import CharRNN
from charrnn.numerics import philox
from charrnn.numerics.cuda_graph import Capture, CaptureError, Work
from charrnn.numerics.philox import Launch
from charrnn.runs.metrics import read_rows
from charrnn.runs.run import Run
from charrnn.training import budget_plan, trainer
from charrnn.training.events import Evaluated, Event, RolledBack, Step
from charrnn.training.loop import resume, train
from charrnn.training.setup.new_run import prepare_new_run
from charrnn.training.setup.speed import seconds_per_step
from charrnn.training.step import static_inputs
from charrnn.training.step import train_step as module
from charrnn.training.step.graph_step import GraphedTrainStep
from charrnn.training.step.inputs import StepInputs
from charrnn.training.step.optimization import update_average
from charrnn.training.step.static_inputs import StaticInputSource
from tests.conftest import TINY_MODEL, TINY_TRAINING, UNREGULARIZED, held_out_losses, last_event
from tests.numerics.philox_emulator import build_launch
from tests.training.tiny_runs import (
    assert_same_run_apart_from_kept_checkpoints,
    digest,
    stop_after,
    tiny,
    train_whole,
)

REGULARIZED: dict[str, Any] = {
    "output_dropout": 0.3,
    "weight_drop": 0.3,
    "input_dropout": 0.1,
    "state_drop": 0.2,
    "save_every": 7,
}


def capture_by_calls(work: Work) -> Work:
    """Replace `cuda_graph`: call the work three times, which changes the weights; return it."""
    for _ in range(3):
        work()
    return work


@pytest.fixture(scope="session")
def launch(tmp_path_factory: pytest.TempPathFactory) -> Launch:
    return build_launch(tmp_path_factory.mktemp("philox"))


def use_graphs(monkeypatch: pytest.MonkeyPatch, launch: Launch, capture: Capture) -> None:
    """Make the runs of a test take their steps as on a GPU, as many as possible in one call."""
    monkeypatch.setattr(budget_plan, "_CALL_SECONDS", 1e6)
    train_step = functools.partial(GraphedTrainStep, capture=capture)
    source = functools.partial(StaticInputSource, launch=launch)
    monkeypatch.setattr(trainer, "TrainStep", train_step)
    monkeypatch.setattr(trainer, "StepInputSource", source)


@pytest.fixture
def graphed(monkeypatch: pytest.MonkeyPatch, launch: Launch) -> pytest.MonkeyPatch:
    use_graphs(monkeypatch, launch, capture_by_calls)
    return monkeypatch


def arrays(run: str, part: Literal["model", "trainer"]) -> dict[str, Any]:
    return dict(Run.open(Path(run)).select("last").load(part))


@pytest.mark.parametrize("teachers", [0, 1])
def test_a_graph_gives_the_same_run_as_single_steps(
    text: Corpus, monkeypatch: pytest.MonkeyPatch, launch: Launch, teachers: int
) -> None:
    events = list(tiny("plain", text, teachers=teachers, **REGULARIZED))
    use_graphs(monkeypatch, launch, capture_by_calls)
    graph_events = list(tiny("graphed", text, teachers=teachers, **REGULARIZED))
    assert [type(event) for event in graph_events] == [type(event) for event in events]
    for part in ("model", "trainer"):
        plain, graphed = arrays("plain", part), arrays("graphed", part)
        assert plain.keys() == graphed.keys()
        for name, array in plain.items():
            np.testing.assert_allclose(graphed[name], array, rtol=1e-4, atol=1e-6, err_msg=name)
    first, second = digest(Path("plain")), digest(Path("graphed"))
    assert first["steps"] == second["steps"]
    assert [row["step"] for row in first["rows"]] == [row["step"] for row in second["rows"]]
    for row, graph_row in zip(first["rows"], second["rows"], strict=True):
        assert row["train_loss"] == pytest.approx(graph_row["train_loss"], rel=1e-5)
        assert row["learning_rate"] == graph_row["learning_rate"]
    steps = [event for event in graph_events if isinstance(event, Step)][-30:]
    assert [event.step for event in steps] == list(range(1, 31))
    assert all(a.seconds < b.seconds for a, b in itertools.pairwise(steps))


def test_a_text_on_the_device_gives_the_same_run(text: Corpus, graphed: pytest.MonkeyPatch) -> None:
    list(tiny("copied", text))
    graphed.setattr(static_inputs, "free_memory", lambda device: 4 * len(text.codes))
    graphed.setattr(Batches, "read_window", None)  # the CPU must not read the text
    list(tiny("resident", text))
    assert digest(Path("resident")) == digest(Path("copied"))


def test_masks_that_the_cpu_draws_give_the_same_run(
    text: Corpus, graphed: pytest.MonkeyPatch
) -> None:
    list(tiny("drawn", text, **REGULARIZED))
    graphed.setattr(philox, "find_defect", lambda device, launch: "there is no NVRTC")
    with pytest.warns(DeviceWarning, match=r"cannot draw the dropout masks \(there is no NVRTC\)"):
        list(tiny("copied", text, **REGULARIZED))
    assert digest(Path("copied")) == digest(Path("drawn"))


@pytest.mark.parametrize("step", [0, 1, 5, 6, 7, 10, 14, 20, 23, 27])
def test_a_graphed_run_resumes_exactly(text: Corpus, graphed: Any, step: int) -> None:
    train_whole(text, "graphed", **REGULARIZED)
    stop = threading.Event()
    events = stop_after(tiny("parts", text, stop, **REGULARIZED), stop, step)
    assert step <= last_event(events).step < step + REGULARIZED["save_every"]
    list(resume("parts"))
    assert_same_run_apart_from_kept_checkpoints(Path("parts"), Path("whole"))


def test_a_dry_run_writes_no_rows_between_steps(
    text: Corpus, graphed: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = dataclasses.replace(TINY_TRAINING, log_every=2)
    trainer = prepare_new_run(text, config, TINY_MODEL, out_dir=tmp_path / "run").trainer
    assert seconds_per_step(trainer, 0.0) > 0
    assert trainer.progress.step > 2
    assert not (tmp_path / "run").exists()


def test_a_time_limit_is_planned_from_the_time_of_asynchronous_steps(
    text: Corpus, graphed: pytest.MonkeyPatch
) -> None:
    graphed.setattr(budget_plan.BudgetPlan, "step_seconds", lambda *arguments: 0.5)
    events = list(tiny("run", text, max_steps=None, max_time=4.0, eval_every=500))
    first_horizon = next(event.horizon for event in events if isinstance(event, Step))
    assert first_horizon is not None
    assert 2 < first_horizon < 10
    evaluations = [event.step for event in events if isinstance(event, Evaluated)]
    assert evaluations[0] == 0
    assert evaluations[1] > first_horizon  # the limit was planned again before it was reached


def test_a_call_ends_at_the_next_evaluation_save_or_horizon(text: Corpus, graphed: Any) -> None:
    lengths: list[int] = []
    plain = trainer.Trainer.take_steps

    def counted(self: trainer.Trainer, stop: bool = False) -> list[Step]:
        steps = plain(self, stop)
        lengths.append(len(steps))
        return steps

    graphed.setattr(trainer.Trainer, "take_steps", counted)
    list(tiny("run", text, log_every=4, eval_every=9, save_every=7, max_steps=22))
    assert np.cumsum(lengths).tolist() == [1, 7, 9, 14, 18, 21, 22]
    rows = [row["step"] for row in read_rows(Path("run/metrics.jsonl"))]
    assert rows == [4, 8, 9, 12, 16, 18, 20, 22]


def test_divergence_is_reported_with_its_step(text: Corpus, graphed: Any) -> None:
    plain, calls = torch.nn.utils.clip_grad_norm_, list[int]()

    def clip(parameters: Any, *arguments: Any) -> torch.Tensor:
        calls.append(1)
        norm = plain(parameters, *arguments)
        return norm * float("nan") if len(calls) == 3 + 13 else norm

    graphed.setattr(torch.nn.utils, "clip_grad_norm_", clip)
    events: list[Event] = list(tiny("run", text))
    (rollback,) = (event for event in events if isinstance(event, RolledBack))
    assert "training diverged at step 13:" in rollback.cause
    assert rollback.step == 10
    steps = [event.step for event in events if isinstance(event, Step)]
    assert steps == [*range(1, 11), *range(11, 31)]
    assert last_event(events).step == 30


def test_without_a_captured_graph_the_run_is_the_same(
    text: Corpus, monkeypatch: pytest.MonkeyPatch, launch: Launch
) -> None:
    def refuse(work: Work) -> Work:
        work()
        raise CaptureError("operation not permitted when stream is capturing")

    list(tiny("plain", text))
    use_graphs(monkeypatch, launch, refuse)
    with pytest.warns(DeviceWarning, match=r"captured as a CUDA graph .operation not permitted"):
        list(tiny("refused", text))
    for name, array in arrays("plain", "model").items():
        np.testing.assert_allclose(arrays("refused", "model")[name], array, rtol=1e-4, atol=1e-6)


def test_a_failed_warm_up_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Memory runs out after the optimizer has updated the weights in the second warm-up call."""
    config = dataclasses.replace(UNREGULARIZED, batch_size=4)
    model = CharRNN(TINY_MODEL, Vocabulary("abcde")).initialize(1)
    train_step = GraphedTrainStep(model, config, slice(0, 4), capture=capture_by_calls)
    inputs = StepInputs(torch.arange(36).reshape(9, 4) % 5, {}, 0.1, 0.5, 32)
    calls = iter(range(10))

    def update(*arguments: Any) -> None:
        if next(calls) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        update_average(*arguments)

    def copy_state() -> dict[str, Any]:
        averages = {f"average.{name}": array for name, array in train_step.average.arrays().items()}
        arrays = train_step.arrays(train_step.states) | averages
        steps = [moments.step.item() for moments in train_step._optimizer.moments.values()]
        return {name: array.copy() for name, array in arrays.items()} | {"steps": np.array(steps)}

    before = copy_state()
    monkeypatch.setattr(module, "update_average", update)
    with pytest.raises(torch.OutOfMemoryError):
        train_step(lambda: inputs, lambda loss: loss)
    after = copy_state()
    assert next(calls) == 2
    for name, array in before.items():
        np.testing.assert_array_equal(after[name], array, err_msg=name)


@pytest.mark.gpu
def test_a_gpu_trains_and_resumes_exactly_by_graphs(
    text: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = dataclasses.replace(TINY_TRAINING, device="cuda", max_steps=60, **REGULARIZED)
    losses = [*held_out_losses(train(text, config, TINY_MODEL, out_dir="whole")).values()]
    assert losses[-1] < losses[0]
    for step in (0, 1, 6, 7, 10, 13, 19, 20):
        stop = threading.Event()
        with monkeypatch.context() as patch:
            patch.setattr(budget_plan, "_CALL_SECONDS", 0.0)  # one step in each call
            events = train(text, config, TINY_MODEL, out_dir=f"parts-{step}", stop=stop)
            stop_after(events, stop, step)
        list(resume(f"parts-{step}"))
        assert_same_run_apart_from_kept_checkpoints(Path(f"parts-{step}"), Path("whole"))
