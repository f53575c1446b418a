import dataclasses
import hashlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import TINY_MODEL, TINY_TRAINING, VERSE, last_event

from charrnn.analysis import scoring
from charrnn.config.training import Budget, ModelConfig, TrainConfig
from charrnn.data.corpus import Batches, Corpus
from charrnn.errors import CheckpointError, ConfigError, CorpusError, DeviceError
from charrnn.model.network import CharRNN, State, load
from charrnn.recurrence.cpu import lstm
from charrnn.runs.metrics import TIMING_KEYS, read_rows
from charrnn.runs.run import Run
from charrnn.training import session
from charrnn.training.events import Evaluated, Event, Finished, Saved, Started, Step
from charrnn.training.loop import resume, train

EPOCH = 23  # steps in an epoch of the tiny run below, as test_events_tell_the_run checks


def tiny(out_dir: str, corpus: Corpus, stop: threading.Event | None = None, **settings: Any):  # type: ignore[no-untyped-def]
    config = dataclasses.replace(TINY_TRAINING, **settings)
    return train(corpus, config, TINY_MODEL, out_dir=out_dir, stop=stop)


def stopped_after(events: Iterator[Event], stop: threading.Event, step: int) -> list[Event]:
    """Follow a run, asking it to stop once it has taken `step`."""
    seen = []
    if step == 0:
        stop.set()
    for event in events:
        seen.append(event)
        if isinstance(event, Step) and event.step == step:
            stop.set()
    return seen


def digest(run: Path) -> dict[str, Any]:
    """What must be the same in two runs that are the same: all but the times."""
    newest = Run.open(run).select("last")
    state = {key: value for key, value in newest.state.items() if "seconds" not in key}
    rows = [
        {key: value for key, value in row.items() if key not in TIMING_KEYS}
        for row in read_rows(run / "metrics.jsonl")
    ]
    hashes = {
        part: hashlib.sha256((newest.path / f"{part}.safetensors").read_bytes()).hexdigest()
        for part in ("model", "trainer")
    }
    return {"state": state, "rows": rows, "steps": _steps(run), **hashes}


def assert_same_but_for_the_steps_kept(parts: Path, whole: Path) -> None:
    """Compare a run that was stopped with one that was not: a stop saves one more checkpoint."""
    first, second = digest(parts), digest(whole)
    del first["steps"], second["steps"]
    assert first == second


def _steps(run: Path) -> list[str]:
    return [each.path.name for each in Run.open(run).checkpoints()]


@pytest.fixture
def text(text_file: Path) -> Corpus:
    return Corpus.open(text_file)


def test_events_tell_the_run(text: Corpus) -> None:
    events = list(tiny("run", text))
    started = events[0]
    assert isinstance(started, Started)
    assert started.steps_per_epoch == EPOCH
    assert started.horizon == 30
    assert started.training_characters == int(0.9 * len(text.codes))
    assert started.held_out_characters == len(text.codes) - started.training_characters
    steps = [event for event in events if isinstance(event, Step)]
    assert [event.step for event in steps] == list(range(1, 31))
    assert steps[-1].epoch == round(30 / EPOCH, 6)
    evaluated = [event for event in events if isinstance(event, Evaluated)]
    assert [event.step for event in evaluated] == [10, 20, 30]
    assert all(len(event.preview) == 240 for event in evaluated)
    assert [event.step for event in events if isinstance(event, Saved)] == [10, 20, 30]
    finished = last_event(events)
    assert finished.reason == "max_steps"
    best = min(evaluated, key=lambda event: event.val_loss)
    assert (finished.best_step, finished.best_val_loss) == (best.step, best.val_loss)
    rows = read_rows(Path("run/metrics.jsonl"))
    assert [row["step"] for row in rows] == [5, 10, 15, 20, 25, 30]
    assert list(rows[0]) == [
        "step",
        "epoch",
        "train_loss",
        "val_loss",
        "learning_rate",
        "characters_per_second",
        "seconds",
    ]
    assert rows[0]["train_loss"] == pytest.approx(np.mean([s.train_loss for s in steps[:5]]))
    assert rows[1]["val_loss"] == evaluated[0].val_loss
    assert rows[2]["val_loss"] is None


def test_training_learns(text: Corpus) -> None:
    events = list(tiny("run", text, max_steps=300, eval_every=100, learning_rate=0.02))
    losses = [event.val_loss for event in events if isinstance(event, Evaluated)]
    assert losses[-1] < 2.0 < np.log(len(text.vocabulary)) - 1


# 3: the end of the warm-up; 5: a row; 10 and 20: evaluations; 23: the end of an epoch.
@pytest.mark.parametrize("step", [0, 1, 2, 3, 4, 5, 9, 10, 11, 20, 22, 23, 24, 29])
def test_resume_matches_the_uninterrupted_run(text: Corpus, step: int) -> None:
    list(tiny("whole", text))
    stop = threading.Event()
    events = stopped_after(tiny("parts", text, stop), stop, step)
    assert last_event(events).reason == "stopped"
    assert last_event(events).step == step
    assert last_event(list(resume("parts"))).reason == "max_steps"
    assert_same_but_for_the_steps_kept(Path("parts"), Path("whole"))


@pytest.mark.parametrize("step", [10, 20, 30])
def test_a_stop_during_an_evaluation_repeats_it_first(
    text: Corpus, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "_CHUNK", 16)  # several chunks, so that there is a between
    list(tiny("whole", text))
    stop, losses, events = threading.Event(), scoring._losses, list[Event]()

    def stopping(*arguments: Any) -> Any:
        if isinstance(events[-1], Step) and events[-1].step == step:
            stop.set()
        return losses(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(scoring, "_losses", stopping)
        for event in tiny("parts", text, stop):
            events.append(event)
    assert last_event(events).step == step
    assert not any(isinstance(event, Evaluated) and event.step == step for event in events)
    resumed = list(resume("parts"))
    first = next(event for event in resumed if isinstance(event, Step | Evaluated))
    assert isinstance(first, Evaluated)
    assert first.step == step
    assert_same_but_for_the_steps_kept(Path("parts"), Path("whole"))


def test_rows_written_after_the_checkpoint_are_dropped(text: Corpus) -> None:
    list(tiny("whole", text))
    crashed = tiny("parts", text)
    for event in crashed:
        if isinstance(event, Step) and event.step == 17:
            break
    crashed.close()  # as a crash would: the newest checkpoint is that of step 10
    assert read_rows(Path("parts/metrics.jsonl"))[-1]["step"] == 15
    list(resume("parts"))
    assert digest(Path("parts")) == digest(Path("whole"))


def test_the_row_of_an_evaluation_that_a_crash_undid_is_not_kept_twice(
    text: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(tiny("whole", text))
    stop = threading.Event()
    with monkeypatch.context() as patch:
        patch.setattr(session, "held_out_loss", lambda *_: stop.set())  # as if stopped in it
        list(tiny("parts", text, stop))
    assert Run.open(Path("parts")).select("last").state["evaluated_step"] is None
    crashed = resume("parts")
    next(event for event in crashed if isinstance(event, Evaluated))
    del crashed  # after the row was written, before the save
    assert read_rows(Path("parts/metrics.jsonl"))[-1]["step"] == 10
    list(resume("parts"))
    assert digest(Path("parts"))["rows"] == digest(Path("whole"))["rows"]


def test_two_runs_of_a_seed_are_the_same_and_another_seed_differs(text: Corpus) -> None:
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        list(tiny(name, text, seed=seed))
    assert digest(Path("one")) == digest(Path("again"))
    assert digest(Path("one"))["model"] != digest(Path("other"))["model"]


def test_a_larger_budget_goes_on_deterministically_and_says_so(text: Corpus) -> None:
    for name in ("one", "again"):
        list(tiny(name, text))
        events = list(resume(name, Budget(max_steps=40)))
        assert isinstance(events[0], Started)
        assert events[0].replanned
        assert events[0].step == 30
        assert events[0].horizon == 40
        assert last_event(events).step == 40
    assert digest(Path("one")) == digest(Path("again"))
    assert Run.open(Path("one")).select("last").state["budget"]["max_steps"] == 40


def test_a_new_budget_lasts_through_a_further_stop(text: Corpus) -> None:
    for name in ("one", "parts"):
        list(tiny(name, text))
    list(resume("one", Budget(max_steps=40)))
    stop = threading.Event()
    stopped_after(resume("parts", Budget(max_steps=40), stop=stop), stop, 35)
    list(resume("parts"))
    assert_same_but_for_the_steps_kept(Path("parts"), Path("one"))


def test_a_finished_run_is_not_resumed_without_a_larger_budget(text: Corpus) -> None:
    list(tiny("run", text))
    with pytest.raises(ConfigError, match="finished: it ended at step 30 by its limit max_steps"):
        list(resume("run"))


def test_the_first_limit_reached_ends_the_run(text: Corpus) -> None:
    by_epochs = last_event(list(tiny("a", text, epochs=1, max_steps=25)))
    assert (by_epochs.reason, by_epochs.step) == ("epochs", EPOCH)
    by_steps = last_event(list(tiny("b", text, epochs=2, max_steps=25)))
    assert (by_steps.reason, by_steps.step) == ("max_steps", 25)


def test_a_budget_of_time_ends_the_run_near_it(text: Corpus) -> None:
    events = list(tiny("run", text, max_steps=None, max_time=2.0))
    finished = last_event(events)
    assert finished.reason == "max_time"
    assert 1.0 < finished.seconds < 4.0
    first = next(event for event in events if isinstance(event, Evaluated))
    assert first.step == 0  # from which the first plan is made
    steps = [event for event in events if isinstance(event, Step)]
    assert all(event.horizon for event in steps)
    assert steps[-1].learning_rate < 0.5 * TINY_TRAINING.learning_rate
    assert read_rows(Path("run/metrics.jsonl"))[-1]["val_loss"] is not None


def test_patience_ends_a_run_that_no_longer_improves(text: Corpus) -> None:
    settings: dict[str, Any] = {
        "learning_rate": 1e-9,
        "average_decay": 0.0,
        "max_steps": 200,
        "dropout": 0.0,
    }
    finished = last_event(list(tiny("run", text, patience=2, eval_every=10, **settings)))
    assert finished.reason == "patience"
    assert finished.step < 200
    endless = last_event(list(tiny("endless", text, patience=0, eval_every=10, **settings)))
    assert endless.reason == "max_steps"


def test_the_best_checkpoint_has_the_lowest_held_out_loss(text: Corpus) -> None:
    events = list(tiny("run", text, max_steps=60, learning_rate=0.05, clip_norm=100.0))
    losses = {event.step: event.val_loss for event in events if isinstance(event, Evaluated)}
    best = Run.open(Path("run")).select("best")
    assert best.step == min(losses, key=lambda step: losses[step])
    assert best.val_loss == min(losses.values())


def test_save_every_saves_between_evaluations(text: Corpus) -> None:
    events = list(tiny("run", text, save_every=7))
    assert [e.step for e in events if isinstance(e, Saved)] == [7, 10, 14, 20, 21, 28, 30]


def test_a_run_is_saved_after_ten_minutes(text: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_SAVE_SECONDS", 0.0)
    events = list(tiny("run", text, max_steps=4, eval_every=100))
    assert [event.step for event in events if isinstance(event, Saved)] == [1, 2, 3, 4]


def test_the_text_held_out_never_reaches_a_batch(
    text: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    plain = Batches

    class Watched(plain):  # type: ignore[misc, valid-type]
        def __init__(self, codes: Any, *sizes: int) -> None:
            super().__init__(codes, *sizes)
            seen.append(codes)

    monkeypatch.setattr(session, "Batches", Watched)
    list(tiny("run", text, max_steps=1))
    assert np.array_equal(seen[0], text.codes[: int(0.9 * len(text.codes))])


def test_streams_begin_an_epoch_blank_and_go_on_from_what_they_read(
    text: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    blank, plain = list[bool](), CharRNN.forward

    def watched(self: CharRNN, x_TB: torch.Tensor, state: State, *masks: Any) -> Any:
        if self.training and torch.is_grad_enabled():
            blank.append(not any(part.any() for part in state.parts_LBH))
        return plain(self, x_TB, state, *masks)

    monkeypatch.setattr(CharRNN, "forward", watched)
    list(tiny("run", text, state_drop=0.0))
    assert [step for step, each in enumerate(blank) if each] == [0, EPOCH]


def test_a_run_goes_on_from_another_and_learns_its_new_characters(text: Corpus) -> None:
    list(tiny("first", text, max_steps=60, learning_rate=0.02))
    known = load("first")
    other = Corpus.from_text(VERSE.upper() * 6 + "0123", name="upper")
    config = dataclasses.replace(TINY_TRAINING, max_steps=1, learning_rate=1e-9)
    events = list(train(other, config, out_dir="second", init_from="first"))
    assert isinstance(events[0], Started)
    assert events[0].added_characters == tuple(
        sorted(set(other.vocabulary.characters) - set(VERSE))
    )
    origin = Run.open(Path("second")).config.init_from
    assert origin
    assert origin.path == "first/step-00000060"
    weights = Path(origin.path, "model.safetensors").read_bytes()
    assert origin.sha256 == hashlib.sha256(weights).hexdigest()
    tuned = load("second")
    assert tuned.config == TINY_MODEL
    assert tuned.vocabulary.characters[: len(known.vocabulary)] == known.vocabulary.characters
    torch.testing.assert_close(
        tuned.layer_weights(1).weight_hh_GH, known.layer_weights(1).weight_hh_GH
    )


def test_another_shape_than_that_of_the_run_started_from_is_refused(text: Corpus) -> None:
    list(tiny("first", text, max_steps=1))
    with pytest.raises(ConfigError, match="the run first gives the shape"):
        list(train(text, TINY_TRAINING, ModelConfig(hidden_size=8), init_from="first"))


def test_the_last_evaluation_of_a_time_budget_is_due_after_a_resume_too(text: Corpus) -> None:
    stop = threading.Event()
    stopped_after(tiny("run", text, stop, max_steps=None, max_time=60.0), stop, 7)
    stopped = Run.open(Path("run")).select("last")
    assert stopped.state["evaluation_seconds"] > 0
    # An evaluation is taken to need all the time that is left: then none but the last comes next.
    state = {**stopped.state, "evaluation_seconds": 60.0}
    stopped.run.save(7, stopped.load("model"), stopped.load("trainer"), state)
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
    stopped_after(train(text, config, shape, out_dir="parts", stop=stop), stop, 13)
    list(resume("parts"))
    assert digest(Path("parts"))["trainer"] == digest(Path("whole"))["trainer"]


# Enough streams for the processor's own engine, and for it to deal them out to two threads.
@pytest.mark.parametrize(
    ("precision", "batch_size", "threads"),
    [("float32", 32, 1), ("float32", 64, 2), ("bfloat16", 4, 1), ("bfloat16", 64, 2)],
)
def test_the_engine_for_processors_trains_and_resumes_exactly(
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
    stopped_after(tiny("parts", text, stop, **settings), stop, 5)
    list(resume("parts"))
    assert_same_but_for_the_steps_kept(Path("parts"), Path("whole"))


def test_precision_is_recorded_and_changes_the_result_but_little(text: Corpus) -> None:
    losses = {}
    for precision in ("float32", "bfloat16"):
        events = list(tiny(precision, text, precision=precision, max_steps=10))
        losses[precision] = [event.train_loss for event in events if isinstance(event, Step)]
        assert Run.open(Path(precision)).config.training.precision == precision
    assert losses["float32"] != losses["bfloat16"]
    np.testing.assert_allclose(losses["float32"], losses["bfloat16"], rtol=5e-3)


@pytest.mark.parametrize("characters", [1, 2, 5, 12])
def test_a_text_too_short_is_refused_and_leaves_no_folder(characters: int) -> None:
    with pytest.raises(CorpusError, match="use a longer text"):
        list(train(Corpus.from_text("ab" * characters, name="short"), TINY_TRAINING, TINY_MODEL))
    assert not Path("checkpoints").exists()


@pytest.mark.parametrize("characters", [1, 2, 3])
def test_the_shortest_texts_are_refused_with_default_settings_too(characters: int) -> None:
    with pytest.raises(CorpusError, match="use a longer text"):
        list(train(Corpus.from_text("a" * characters), TrainConfig(device="cpu"), TINY_MODEL))


def test_a_device_that_is_not_there_is_refused() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has one")
    with pytest.raises(DeviceError, match=r"--device cuda cannot be used: .* use one of: cpu"):
        list(train(config=TrainConfig(device="cuda")))


def test_a_checkpoint_that_does_not_fit_is_refused(text: Corpus) -> None:
    finished = last_event(list(tiny("run", text)))
    newest = finished.run.select("last")
    arrays = newest.load("trainer")
    del arrays["first.output.bias"]
    newest.run.save(newest.step, newest.load("model"), arrays, newest.state)
    with pytest.raises(CheckpointError, match=r"does not fit what it resumes: output.bias"):
        list(resume("run", Budget(max_steps=40)))


def test_the_first_steps_are_those_of_earlier_versions(text: Corpus) -> None:
    """A failure means that a seed now gives another run.

    If the change that caused it is meant to (a new default, another order of random numbers), take
    the losses printed below as the new ones and note it in the CHANGELOG; if not, it is a bug.
    """
    events = list(tiny("run", text, max_steps=4))
    losses = [event.train_loss for event in events if isinstance(event, Step)]
    assert losses == pytest.approx(GOLDEN_LOSSES, rel=1e-5)


GOLDEN_LOSSES = [3.663803, 3.727294, 3.671269, 3.588238]


def test_the_config_on_disk_is_resolved(text: Corpus) -> None:
    list(train(text, TrainConfig(max_steps=1, device="cpu"), TINY_MODEL, out_dir="run"))
    training = json.loads(Path("run/config.json").read_text("utf-8"))["training"]
    optional = {"epochs", "max_time", "save_every"}
    assert [key for key, value in training.items() if value is None] == sorted(optional)
    assert training["device"] == "cpu"


def test_finished_names_the_run(finished: Finished) -> None:
    assert finished.run.path == Path("checkpoints/verse")
