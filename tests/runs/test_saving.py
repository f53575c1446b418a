import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from charrnn.data.corpus import Corpus
from charrnn.errors import CheckpointError
from charrnn.runs import run as module
from charrnn.runs.manifest import FileRecord
from charrnn.runs.run import Run
from tests.runs.small_run import CONFIG, save
from tests.training.tiny_runs import tiny

HOLD_LOCK = Path(__file__).with_name("hold_lock.py")


def test_a_disk_without_room_is_named_before_a_run_and_before_a_save(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(run, 10)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 900))
    with pytest.raises(CheckpointError, match=r"step 20 could not be saved .* 0.0 are free"):
        save(run, 20)
    assert sorted(path.name for path in run.path.iterdir()) == ["config.json", "step-00000010"]
    with pytest.raises(CheckpointError, match=r"the run cannot be kept .* make room there"):
        Run(tmp_path / "new", CONFIG).create()


def test_two_writers_cannot_share_a_run(run: Run) -> None:
    command = [sys.executable, str(HOLD_LOCK), str(run.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert other.stdout.readline() == "held\n"
        named = rf"by another process \(number {other.pid}\)"
        with pytest.raises(CheckpointError, match=named), run.lock_for_writing():
            pass
        save(run, 10)
        assert run.select("last").step == 10, "readers are not held up"
        other.kill()
    with run.lock_for_writing():  # what a killed process leaves holds no one up
        pass


def test_a_failed_save_leaves_the_older_checkpoints_and_no_litter(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(run, 10)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match=r"step 20 could not be saved .*No space left"):
        save(run, 20)
    assert sorted(path.name for path in run.path.iterdir()) == ["config.json", "step-00000010"]
    assert run.select("last").step == 10


def test_a_failed_replacement_brings_back_what_was_there(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(run, 10, 1.0)
    plain = Path.rename

    def failing(path: Path, target: Path) -> Path:
        if path.name == ".saving":
            raise OSError(5, "Input/output error")
        return plain(path, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(CheckpointError, match=r"step 10 could not be saved .*Input/output error"):
        save(run, 10, 2.0)
    assert run.select("last").val_loss == 1.0


def test_what_a_crash_left_half_replaced_comes_back_at_the_next_save(run: Run) -> None:
    folder = save(run, 10, 1.0).path
    folder.rename(run.path / ".replaced-step-00000010")
    (run.path / ".saving").mkdir()
    assert run.select("last").step == 10, "until then it is read where it is"
    save(run, 20)
    assert [each.step for each in run.checkpoints()] == [10, 20]
    assert not (run.path / ".saving").exists()


def test_a_reader_looks_again_where_all_that_it_saw_was_pruned(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(run, 10)
    plain = module._read_records

    def pruned_meanwhile(folder: Path, config_record: FileRecord) -> Any:
        monkeypatch.setattr(module, "_read_records", plain)
        for step in (20, 30, 40):
            save(run, step)
        assert not folder.exists()
        return plain(folder, config_record)

    monkeypatch.setattr(module, "_read_records", pruned_meanwhile)
    assert run.select("last").step == 40


def test_readers_never_see_a_torn_checkpoint(text_file: Path) -> None:
    """Read best and newest as fast as can be while a run saves at each step."""
    text, seen, failures = Corpus.open(text_file), set[int](), list[BaseException]()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            try:
                for name in ("best", "last"):
                    if Path("run/config.json").exists():
                        run = Run.open(Path("run"))
                        if run.scan_checkpoints()[0]:
                            checkpoint = run.select(name, ("model", "trainer"))
                            assert checkpoint.load("model")
                            seen.add(checkpoint.step)
            except BaseException as error:
                failures.append(error)
                return

    reader = threading.Thread(target=read)
    reader.start()
    try:
        list(tiny("run", text, max_steps=30, eval_every=2, save_every=1))
    finally:
        done.set()
        reader.join()
    assert not failures
    assert len(seen) > 5
