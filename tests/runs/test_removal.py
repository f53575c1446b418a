import dataclasses
from pathlib import Path

import pytest

from charrnn.errors import CheckpointError
from charrnn.runs.file_run import FileRun
from charrnn.runs.model_file import make_model_file
from charrnn.runs.removal import measure_size, remove_run
from charrnn.runs.run import Run
from charrnn.training.events import Finished
from charrnn.training.loop import train
from tests.conftest import TINY_MODEL, TINY_TRAINING, last_event


@pytest.fixture
def with_teacher(text_file: Path) -> Run:
    config = dataclasses.replace(TINY_TRAINING, teachers=1)
    return last_event(list(train(str(text_file), config, TINY_MODEL, out_dir="taught"))).run


def test_the_size_of_a_run_is_that_of_all_its_files(finished: Finished, with_teacher: Run) -> None:
    for run in (finished.run, with_teacher):
        files = [path for path in run.path.rglob("*") if path.is_file()]
        assert measure_size(run) == sum(path.stat().st_size for path in files) > 100_000
    Path("model.safetensors").write_bytes(make_model_file(finished.run.select(), "card"))
    model = FileRun.open(Path("model.safetensors"))
    assert measure_size(model) == model.path.stat().st_size


def test_a_run_is_removed_with_its_teachers(with_teacher: Run) -> None:
    (with_teacher.path / ".replaced-step-00000030").mkdir()
    assert remove_run(with_teacher) == []
    assert not with_teacher.path.exists()


def test_a_linked_run_is_removed_with_its_link(finished: Finished) -> None:
    Path("link").symlink_to(finished.run.path)
    assert remove_run(Run.open(Path("link"))) == []
    assert not finished.run.path.exists()
    assert not Path("link").is_symlink()


def test_files_of_the_user_remain(finished: Finished) -> None:
    folder = finished.run.path
    (folder / "notes.txt").write_text("mine", "utf-8")
    (folder / "steps").mkdir()
    assert remove_run(finished.run) == [folder / "notes.txt", folder / "steps"]
    assert sorted(folder.iterdir()) == [folder / "notes.txt", folder / "steps"]


def test_a_run_that_is_trained_is_not_removed(finished: Finished) -> None:
    other = Run.open(finished.run.path)
    with finished.run.lock_for_writing(), pytest.raises(CheckpointError, match="another process"):
        remove_run(other)
    assert finished.run.checkpoints()
