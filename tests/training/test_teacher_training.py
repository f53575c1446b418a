import dataclasses
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from charrnn.config.training import Budget, TrainConfig
from charrnn.data.corpus import Corpus
from charrnn.errors import CheckpointError, ConfigError
from charrnn.runs.layout import MAX_OVERHEAD_BYTES
from charrnn.runs.progress import Progress
from charrnn.runs.removal import remove_run
from charrnn.runs.run import Run
from charrnn.runs.summary import summarize_run
from charrnn.runs.verification import verify_run
from charrnn.training import loop, teacher_training
from charrnn.training.events import Event, Finished, Started, Step, TeacherFinished
from charrnn.training.loop import resume, train
from charrnn.training.rollback import progress_after_rollback
from charrnn.training.setup.resumed_run import prepare_resumed_run
from charrnn.training.step.teachers import Teachers
from tests.conftest import TINY_MODEL, TINY_TRAINING, last_event
from tests.training.tiny_runs import (
    assert_same_run_apart_from_kept_checkpoints,
    digest,
    tiny,
    train_whole,
)

STEPS = 30  # of each network of a tiny run


def stop_at(out_dir: str, corpus: Corpus, total: int) -> list[Event]:
    """Train two teachers and a network; stop after this number of steps of all three together."""
    stop, events = threading.Event(), list[Event]()
    if total == 0:
        stop.set()
    for event in tiny(out_dir, corpus, stop, teachers=2):
        events.append(event)
        if sum(isinstance(event, Step) for event in events) == total:
            stop.set()
    return events


def test_a_run_trains_its_teachers_first(text: Corpus) -> None:
    events = list(tiny("run", text, teachers=2))
    started = [event for event in events if isinstance(event, Started)]
    assert [event.teacher for event in started] == [None, 1, 2, None]
    assert [event.config.training.seed for event in started] == [1, 2, 3, 1]
    finished = [event for event in events if isinstance(event, TeacherFinished)]
    assert [event.teacher for event in finished] == [1, 2]
    assert [event.run.path for event in finished] == [Path("run/teacher-1"), Path("run/teacher-2")]
    assert sum(isinstance(event, Finished) for event in events) == 1
    assert last_event(events).run.path == Path("run")
    assert sum(isinstance(event, Step) for event in events) == 3 * STEPS


def test_a_teacher_is_a_run_with_another_seed(text: Corpus) -> None:
    list(tiny("run", text, teachers=1))
    list(tiny("alone", text, seed=2))
    assert digest(Path("run/teacher-1")) == digest(Path("alone"))


def test_a_network_with_perfect_teachers_learns_faster(
    text: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The held-out loss is lower if the teachers know the distribution of the characters."""
    frequencies_V = torch.tensor(text.counts) / sum(text.counts)

    def predict(teachers: Teachers, x_TB: torch.Tensor) -> torch.Tensor:
        return frequencies_V.expand(*x_TB.shape, -1)

    monkeypatch.setattr(Teachers, "predict", predict)
    losses = []
    for name, teachers in (("taught", 1), ("alone", 0)):
        events = list(
            tiny(name, text, teachers=teachers, max_steps=3, warmup_steps=0, eval_every=3)
        )
        losses.append(last_event(events).best_val_loss or 0.0)
    assert 0 < losses[0] < losses[1]


# 0: before teacher 1; 30: its end; 47: in teacher 2; 60: its end; 71: in an epoch of the network.
@pytest.mark.parametrize("total", [0, 30, 47, 60, 71])
def test_resume_matches_the_uninterrupted_run(text: Corpus, total: int) -> None:
    train_whole(text, teachers=2)
    events = stop_at("parts", text, total)
    assert last_event(events).reason == "stopped"
    assert last_event(events).run.path == Path("parts")
    events = list(resume("parts"))
    assert last_event(events).reason == "max_steps"
    assert sum(isinstance(event, Step) for event in events) == 3 * STEPS - total
    for name in ("teacher-1", "teacher-2", "."):
        assert_same_run_apart_from_kept_checkpoints(Path("parts", name), Path("whole", name))


def test_a_run_is_created_after_its_teachers(text: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is killed before leaves no run that can be found but not be resumed."""
    saved = []
    save = Run.save

    def record(run: Run, step: int, *arguments: Any) -> Any:
        saved.append(str(run.path))
        return save(run, step, *arguments)

    monkeypatch.setattr(Run, "save", record)
    stop_at("run", text, 0)
    assert saved[:3] == ["run/teacher-1", "run/teacher-2", "run"]


def test_limits_change_only_after_the_teachers_are_trained(text: Corpus) -> None:
    stop_at("run", text, 10)
    with pytest.raises(
        ConfigError, match=r"teacher 1 of run is not finished.*`charrnn resume run`"
    ):
        list(resume("run", Budget(max_steps=40)))
    list(resume("run"))
    assert last_event(list(resume("run", Budget(max_steps=40)))).step == 40
    assert Run.open(Path("run/teacher-1")).select("last").step == STEPS


def test_verification_includes_the_teachers(text: Corpus) -> None:
    list(tiny("run", text, teachers=2))
    names = [result.name for result in verify_run(Run.open(Path("run")))]
    assert names == [
        *(
            f"{folder}{name}"
            for folder in ("", "teacher-1/", "teacher-2/")
            for name in ("step-00000020", "step-00000030", "metrics.jsonl")
        )
    ]
    shutil.rmtree("run/teacher-1")  # only a resume needs it
    (Path("run/teacher-2") / "step-00000020" / "state.json").write_bytes(b"{}")
    results = verify_run(Run.open(Path("run")))
    assert [result.name for result in results if result.damage] == ["teacher-2/step-00000020"]
    Path("run/teacher-2/config.json").write_text("{")
    run = Run.open(Path("run"))
    damaged = [result.name for result in verify_run(run) if result.damage]
    assert damaged == ["teacher-2/config.json"]
    assert summarize_run(run).teachers == ()
    assert remove_run(run) == []
    assert not Path("run").exists()


def test_an_unfinished_run_is_not_intact_without_its_teachers(text: Corpus) -> None:
    stop_at("run", text, 65)
    shutil.rmtree("run/teacher-1")
    results = verify_run(Run.open(Path("run")))
    assert [result.name for result in results if result.damage] == ["teacher-1"]


def test_a_finished_run_needs_no_teachers_to_say_so(text: Corpus) -> None:
    list(tiny("run", text, teachers=1))
    shutil.rmtree("run/teacher-1")
    with pytest.raises(ConfigError, match="run is finished: it reached its limit of 30 steps"):
        list(resume("run"))
    with pytest.raises(CheckpointError, match="run learns from 1 teacher, but run/teacher-1 does"):
        list(resume("run", Budget(max_steps=40)))


def test_teachers_that_have_ended_are_not_prepared_again(
    text: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_at("run", text, 70)
    prepared = []

    def record(run: Run, *arguments: Any) -> Any:
        prepared.append(run.path)
        return prepare_resumed_run(run, *arguments)

    monkeypatch.setattr(loop, "prepare_resumed_run", record)
    monkeypatch.setattr(teacher_training, "prepare_resumed_run", record)
    list(resume("run"))
    assert prepared == [Path("run")]


def test_the_text_of_unfinished_teachers_cannot_change(text: Corpus, text_file: Path) -> None:
    other = text_file.with_name("other.txt")
    other.write_text(text_file.read_text()[::-1])
    stop_at("run", text, STEPS + 5)
    with pytest.raises(ConfigError, match=r"teacher 2 of run is not finished, and the text of"):
        list(resume("run", corpus=other))
    assert last_event(list(resume("run"))).step == STEPS


def test_a_network_learns_from_the_checkpoints_that_it_started_with(text: Corpus) -> None:
    list(tiny("whole", text, teachers=2))
    stop_at("run", text, 70)
    finished = last_event(list(resume("run/teacher-1", Budget(max_steps=31))))
    assert finished.best_step == 31  # the checkpoint of step 30 is kept
    list(resume("run"))
    assert_same_run_apart_from_kept_checkpoints(Path("run"), Path("whole"))


def test_a_checkpoint_that_a_network_learns_from_must_exist(text: Corpus) -> None:
    stop_at("run", text, 70)
    list(resume("run/teacher-1", Budget(max_steps=200)))
    assert not Path("run/teacher-1/step-00000030").exists()
    with pytest.raises(
        CheckpointError, match="the checkpoint run/teacher-1/step-00000030 is no longer there"
    ):
        list(resume("run"))


def test_a_missing_teacher_is_an_error(text: Corpus) -> None:
    stop_at("run", text, 40)
    shutil.rmtree("run/teacher-1")
    with pytest.raises(CheckpointError, match="run learns from 2 teachers, but run/teacher-1 does"):
        list(resume("run"))


def test_teachers_need_a_limit_that_is_not_a_time() -> None:
    with pytest.raises(ConfigError, match="cannot be combined with a time limit"):
        TrainConfig(teachers=3, max_time=60)


def test_checkpoints_with_large_states_of_teachers_are_intact() -> None:
    text = Corpus.from_text("the quick brown fox jumps over the lazy dog\n" * 300)
    config = dataclasses.replace(
        TINY_TRAINING, teachers=2, batch_size=1024, seq_length=2, max_steps=2, eval_every=1
    )
    model = dataclasses.replace(TINY_MODEL, hidden_size=96)
    stop, total = threading.Event(), 0
    for event in train(text, config, model, out_dir="run", stop=stop):
        total += isinstance(event, Step)
        if total == 5:
            stop.set()
    run = Run.open(Path("run"))
    assert 2 * run.state_bytes > MAX_OVERHEAD_BYTES
    assert not [result for result in verify_run(run) if result.damage]
    assert Run.open(Path("run")).select("last", ("model", "trainer")).step == 1


def test_a_rollback_keeps_the_record_of_the_teachers(text: Corpus) -> None:
    list(tiny("run", text, teachers=1))
    checkpoint = Run.open(Path("run")).select("last")
    progress = Progress.from_checkpoint(checkpoint)
    assert [origin.path for origin in progress.teachers] == ["teacher-1/step-00000030"]
    restored = progress_after_rollback(progress, Run.open(Path("run/teacher-1")).checkpoints()[0])
    assert restored.teachers == progress.teachers
