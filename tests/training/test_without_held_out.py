"""Runs with `val_fraction=0`, which are trained on all of a text, and runs with a target loss."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charrnn.config.training import Budget, TrainConfig
from charrnn.data.corpus import Corpus
from charrnn.errors import ConfigError, CorpusError
from charrnn.runs.metrics import TIMING_KEYS, read_rows
from charrnn.runs.text_reader import TextReader
from charrnn.training.events import Evaluated, Event, RolledBack, Started, TeacherFinished
from charrnn.training.loop import resume, train
from tests.conftest import (
    PREVIEW_LENGTH,
    TINY_MODEL,
    TINY_TRAINING,
    VERSE,
    Cli,
    held_out_losses,
    last_event,
)
from tests.training.test_divergence import corrupt_loss, make_training_diverge


def train_on_all(name: str, text: Corpus, **settings: Any) -> list[Event]:
    config = dataclasses.replace(TINY_TRAINING, val_fraction=0, patience=0, **settings)
    return list(train(text, config, TINY_MODEL, out_dir=name))


def test_all_of_the_text_is_trained_on_and_nothing_is_evaluated(text: Corpus) -> None:
    events = train_on_all("run", text)
    started = events[0]
    assert isinstance(started, Started)
    assert (started.training_characters, started.held_out_characters) == (len(text.codes), 0)
    evaluated = [event for event in events if isinstance(event, Evaluated)]
    assert [(event.step, event.val_loss, event.improved) for event in evaluated] == [
        (10, None, False),
        (20, None, False),
        (30, None, False),
    ]
    assert all(len(event.preview) == PREVIEW_LENGTH for event in evaluated)
    finished = last_event(events)
    assert (finished.reason, finished.best_val_loss) == ("max_steps", None)
    rows = read_rows(finished.run.metrics_path)
    assert all(row["val_loss"] is None for row in rows)
    assert sum("preview" in row for row in rows) == 3
    assert finished.run.config.baseline is None
    assert finished.run.select("best").step == 30


def test_resume_matches_the_uninterrupted_run(text: Corpus) -> None:
    whole = last_event(train_on_all("whole", text)).run
    for event in train(
        text,
        dataclasses.replace(TINY_TRAINING, val_fraction=0, patience=0),
        TINY_MODEL,
        out_dir="part",
    ):
        if isinstance(event, Evaluated) and event.step == 20:
            break
    parts = last_event(list(resume("part"))).run
    weights = [run.select("last").load("model") for run in (whole, parts)]
    assert all(np.array_equal(weights[0][name], weights[1][name]) for name in weights[0])
    rows = [
        [{key: row[key] for key in row if key not in TIMING_KEYS} for row in read_rows(path)]
        for path in (whole.metrics_path, parts.metrics_path)
    ]
    assert rows[0] == rows[1]


def test_a_time_limit_is_planned_without_an_evaluation(text: Corpus) -> None:
    config = dataclasses.replace(
        TINY_TRAINING, val_fraction=0, patience=0, max_steps=None, max_time=1.5
    )
    finished = last_event(list(train(text, config, TINY_MODEL, out_dir="run")))
    assert finished.reason == "max_time"
    assert finished.step > 20
    assert 0.5 < finished.seconds < 20
    rates = [row["learning_rate"] for row in read_rows(finished.run.metrics_path)]
    assert rates[-1] < 0.3 * max(rates)  # the schedule ends with the run


def test_training_rolls_back_to_a_point_without_a_loss(
    text: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_training_diverge(monkeypatch, corrupt_loss, 14, times=1)
    events = train_on_all("run", text)
    (rollback,) = (event for event in events if isinstance(event, RolledBack))
    assert rollback.step == 10
    assert last_event(events).step == 30


@pytest.mark.parametrize(
    "settings", [{"val_fraction": 0, "patience": 3}, {"val_fraction": 0, "target_loss": 2.0}]
)
def test_what_needs_a_held_out_text_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="needs a held-out text"):
        TrainConfig(**settings)
    with pytest.raises(ConfigError, match=r"val_fraction must be 0, or 0\.001 to 0\.9"):
        TrainConfig(val_fraction=0.0005)


def test_patience_has_a_default_only_with_a_held_out_text(text: Corpus) -> None:
    for fraction, patience in ((0.1, 10), (0.0, 0)):
        config = TrainConfig(max_steps=1, device="cpu", val_fraction=fraction)
        run = last_event(list(train(text, config, TINY_MODEL, out_dir=f"run-{patience}"))).run
        assert run.config.training.patience == patience


def test_readers_of_the_held_out_text_say_that_there_is_none(text_file: Path, cli: Cli) -> None:
    config = dataclasses.replace(TINY_TRAINING, val_fraction=0, patience=0)
    run = last_event(list(train(str(text_file), config, TINY_MODEL))).run
    with pytest.raises(CorpusError, match="was trained on all of its text"):
        TextReader(run.select()).split()
    assert "so there is no held-out text" in cli("score", "verse").err
    page = cli("plot", "verse", "-o", "run.html")
    assert page.code == 0
    assert "so there is no held-out text" in page.err
    assert "step 30</p>" in Path("run.html").read_text("utf-8")


def test_documents_are_all_for_training() -> None:
    text = "\x1c".join(VERSE.split("\n") * 3)
    corpus = Corpus.from_text(text)
    assert len(corpus.split(0)[0]) == len(corpus.codes)
    documents = dataclasses.replace(
        corpus, config=dataclasses.replace(corpus.config, documents=True)
    )
    assert [len(part) for part in documents.split(0)] == [len(corpus.codes), 0]


def test_training_stops_at_the_target_loss(text: Corpus) -> None:
    config = dataclasses.replace(TINY_TRAINING, max_steps=120, learning_rate=0.02)
    losses = held_out_losses(train(text, config, TINY_MODEL, out_dir="free"))
    target = [*losses.values()][5]
    targeted = dataclasses.replace(config, target_loss=target)
    finished = last_event(list(train(text, targeted, TINY_MODEL, out_dir="targeted")))
    assert finished.reason == "target_loss"
    first = next(step for step, loss in losses.items() if loss <= target)
    assert finished.step == finished.best_step == first < 120
    with pytest.raises(ConfigError, match=r"reached .* nats: start a new run from its weights"):
        list(resume("targeted", Budget(max_steps=900)))


def test_a_run_resumes_after_its_teacher_reached_the_target_loss(text: Corpus) -> None:
    config = dataclasses.replace(TINY_TRAINING, teachers=1, target_loss=3.6)
    for event in train(text, config, TINY_MODEL, out_dir="run"):
        if isinstance(event, TeacherFinished):
            break
    finished = last_event(list(resume("run")))
    assert finished.reason == "target_loss"
    assert finished.run.path.name == "run"
