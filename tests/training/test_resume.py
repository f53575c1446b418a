import dataclasses
import threading
from pathlib import Path
from typing import Any

import pytest

from charrnn.analysis import scoring
from charrnn.config.training import Budget
from charrnn.data.corpus import Corpus
from charrnn.errors import CheckpointError, ConfigError
from charrnn.recurrence.cpu import lstm
from charrnn.runs.metrics import read_rows
from charrnn.runs.run import Run
from charrnn.training import evaluation
from charrnn.training.events import Evaluated, Event, Started, Step
from charrnn.training.loop import resume, train
from tests.conftest import TINY_MODEL, TINY_TRAINING, last_event
from tests.training.tiny_runs import (
    assert_same_run_apart_from_kept_checkpoints,
    digest,
    stop_after,
    tiny,
    train_whole,
)


def test_a_resume_uses_only_the_limits_of_a_training_config(text: Corpus) -> None:
    list(tiny("run", text))
    settings = dataclasses.replace(TINY_TRAINING, max_steps=35, batch_size=2)
    assert last_event(list(resume("run", settings))).step == 35
    assert last_event(list(resume("run", Budget(max_steps=40)))).step == 40


# 3: the end of the warm-up; 5: a row; 10 and 20: evaluations; 23: the end of an epoch.
@pytest.mark.parametrize("step", [0, 1, 2, 3, 4, 5, 9, 10, 11, 20, 22, 23, 24, 29])
def test_resume_matches_the_uninterrupted_run(text: Corpus, step: int) -> None:
    train_whole(text)
    stop = threading.Event()
    events = stop_after(tiny("parts", text, stop), stop, step)
    assert last_event(events).reason == "stopped"
    assert last_event(events).step == step
    assert last_event(list(resume("parts"))).reason == "max_steps"
    assert_same_run_apart_from_kept_checkpoints(Path("parts"), Path("whole"))


@pytest.mark.parametrize("step", [10, 20, 30])
def test_a_stop_during_an_evaluation_repeats_it_first(
    text: Corpus, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        scoring, "_CHUNK", 16
    )  # several chunks, so that a stop can come between two
    list(tiny("whole", text))
    stop, nats, events = threading.Event(), scoring._compute_nats, list[Event]()

    def request_stop(*arguments: Any) -> Any:
        if isinstance(events[-1], Step) and events[-1].step == step:
            stop.set()
        return nats(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(scoring, "_compute_nats", request_stop)
        for event in tiny("parts", text, stop):
            events.append(event)
    assert last_event(events).step == step
    assert not any(isinstance(event, Evaluated) and event.step == step for event in events)
    resumed = list(resume("parts"))
    first = next(event for event in resumed if isinstance(event, Step | Evaluated))
    assert isinstance(first, Evaluated)
    assert first.step == step
    assert_same_run_apart_from_kept_checkpoints(Path("parts"), Path("whole"))


def test_rows_written_after_the_checkpoint_are_dropped(text: Corpus) -> None:
    list(tiny("whole", text))
    crashed = tiny("parts", text)
    for event in crashed:
        if isinstance(event, Step) and event.step == 17:
            break
    crashed.close()  # like a crash; the newest checkpoint is from step 10
    assert read_rows(Path("parts/metrics.jsonl"))[-1]["step"] == 15
    list(resume("parts"))
    assert digest(Path("parts")) == digest(Path("whole"))


def test_the_row_of_an_evaluation_before_a_crash_is_written_once(
    text: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(tiny("whole", text))
    stop = threading.Event()
    with monkeypatch.context() as patch:
        patch.setattr(
            evaluation, "held_out_loss", lambda *_: stop.set()
        )  # a stop during the evaluation
        list(tiny("parts", text, stop))
    assert Run.open(Path("parts")).select("last").state["evaluated_step"] is None
    crashed = resume("parts")
    next(event for event in crashed if isinstance(event, Evaluated))
    del crashed  # after the row was written, before the save
    assert read_rows(Path("parts/metrics.jsonl"))[-1]["step"] == 10
    list(resume("parts"))
    assert digest(Path("parts"))["rows"] == digest(Path("whole"))["rows"]


def test_a_larger_budget_continues_deterministically_and_is_reported(text: Corpus) -> None:
    for name in ("first", "second"):
        list(tiny(name, text))
        events = list(resume(name, Budget(max_steps=40)))
        assert isinstance(events[0], Started)
        assert events[0].replanned
        assert events[0].step == 30
        assert events[0].horizon == 40
        assert last_event(events).step == 40
    assert digest(Path("first")) == digest(Path("second"))
    assert Run.open(Path("first")).select("last").state["budget"]["max_steps"] == 40


def test_a_new_budget_is_kept_in_later_resumes(text: Corpus) -> None:
    for name in ("whole", "parts"):
        list(tiny(name, text))
    list(resume("whole", Budget(max_steps=40)))
    stop = threading.Event()
    stop_after(resume("parts", Budget(max_steps=40), stop=stop), stop, 35)
    list(resume("parts"))
    assert_same_run_apart_from_kept_checkpoints(Path("parts"), Path("whole"))


def test_resume_of_a_finished_run_without_a_larger_budget_is_an_error(text: Corpus) -> None:
    list(tiny("run", text))
    message = r"finished: it reached its limit of 30 steps at step 30: train it .* --epochs 2"
    with pytest.raises(ConfigError, match=message):
        list(resume("run"))


def test_the_last_evaluation_of_a_time_limit_is_due_after_a_resume(text: Corpus) -> None:
    stop = threading.Event()
    stop_after(tiny("run", text, stop, max_steps=None, max_time=60.0), stop, 7)
    stopped = Run.open(Path("run")).select("last")
    assert stopped.state["evaluation_seconds"] > 0
    # If an evaluation needs all the remaining time, the next one must be the last.
    state = {**stopped.state, "seconds": 56.0, "evaluation_seconds": 5.0}
    Run.open(Path("run")).save(7, stopped.load("model"), stopped.load("trainer"), state)
    first = next(event for event in resume("run") if isinstance(event, Step | Evaluated))
    assert isinstance(first, Evaluated)
    assert first.step == 7


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("cell", ["gru", "rnn"])
def test_other_cells_train_and_resume_exactly(text: Corpus, cell: Any, precision: Any) -> None:
    shape = dataclasses.replace(TINY_MODEL, cell=cell)
    config = dataclasses.replace(TINY_TRAINING, precision=precision)
    list(train(text, config, shape, out_dir="whole"))
    stop = threading.Event()
    stop_after(train(text, config, shape, out_dir="parts", stop=stop), stop, 13)
    list(resume("parts"))
    assert digest(Path("parts"))["trainer"] == digest(Path("whole"))["trainer"]


# With enough streams, the engine for CPUs is used, and it divides them between two threads.
@pytest.mark.parametrize(
    ("precision", "batch_size", "threads"),
    [("float32", 32, 1), ("float32", 64, 2), ("bfloat16", 4, 1), ("bfloat16", 64, 2)],
)
def test_the_engine_for_cpus_trains_and_resumes_exactly(
    text: Corpus,
    precision: str,
    batch_size: int,
    threads: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls, run_layer = [], lstm.run_layer

    def counted(*layer: Any) -> Any:
        calls.append(layer)
        return run_layer(*layer)

    monkeypatch.setattr(lstm, "run_layer", counted)
    settings: dict[str, Any] = {
        "precision": precision,
        "batch_size": batch_size,
        "seq_length": 4,
        "threads": threads,
        "max_steps": 12,
        "eval_every": 6,
    }
    list(tiny("whole", text, **settings))
    assert len(calls) >= 24
    stop = threading.Event()
    stop_after(tiny("parts", text, stop, **settings), stop, 5)
    list(resume("parts"))
    assert_same_run_apart_from_kept_checkpoints(Path("parts"), Path("whole"))


def test_a_checkpoint_with_a_missing_array_is_an_error(text: Corpus) -> None:
    finished = last_event(list(tiny("run", text)))
    run = finished.run
    newest = run.select("last")
    arrays = newest.load("trainer")
    del arrays["first.output.bias"]
    run.save(newest.step, newest.load("model"), arrays, newest.state)
    with pytest.raises(CheckpointError, match=r"does not match .*: the array output.bias"):
        list(resume("run", Budget(max_steps=40)))


@pytest.mark.slow
@pytest.mark.parametrize("step", range(61))
def test_resume_is_exact_at_each_of_sixty_steps(text_file: Path, step: int) -> None:
    text = Corpus.open(text_file)
    assert TINY_TRAINING.warmup_steps == 5
    list(tiny("whole", text, max_steps=61))
    stop = threading.Event()
    stop_after(tiny("parts", text, stop, max_steps=61), stop, step)
    list(resume("parts"))
    assert_same_run_apart_from_kept_checkpoints(Path("parts"), Path("whole"))


def test_a_chain_of_ten_resumes_is_exact(text_file: Path) -> None:
    text = Corpus.open(text_file)
    list(tiny("whole", text))
    stop = threading.Event()
    stop_after(tiny("parts", text, stop), stop, 2)
    for step in (4, 7, 10, 12, 15, 18, 20, 23, 27):
        stop = threading.Event()
        stop_after(resume("parts", stop=stop), stop, step)
    list(resume("parts"))
    assert_same_run_apart_from_kept_checkpoints(Path("parts"), Path("whole"))


def test_a_new_time_limit_before_the_first_step_is_planned_from_the_evaluation(
    text: Corpus,
) -> None:
    stop = threading.Event()
    for event in tiny("run", text, stop, max_steps=None, max_time=60.0):
        if isinstance(event, Evaluated):
            stop.set()
    assert Run.open(Path("run")).select("last").state["evaluated_step"] == 0
    started = next(iter(resume("run", Budget(max_time=30.0))))
    assert isinstance(started, Started)
    assert started.horizon is not None
    assert started.horizon < 1_000_000  # a step takes longer than 30 microseconds


def test_a_finished_run_does_not_change_its_text_without_a_larger_limit(text: Corpus) -> None:
    list(tiny("run", text))
    before = digest(Path("run"))
    Path("other.txt").write_text("to be, or not to be: that is\n" * 40)
    with pytest.raises(ConfigError, match="run is finished: it reached its limit of 30 steps"):
        list(resume("run", corpus="other.txt"))
    assert digest(Path("run")) == before
    assert last_event(list(resume("run", Budget(max_steps=31), corpus="other.txt"))).step == 31
