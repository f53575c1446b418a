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
from charrnn.runs.checkpoint import read_records
from charrnn.runs.layout import MAX_OVERHEAD_BYTES
from charrnn.runs.manifest import FileRecord
from charrnn.runs.run import MAX_CHECKPOINTS, Run
from charrnn.runs.saving import check_new_folder
from tests.runs.small_run import CONFIG, save
from tests.training.tiny_runs import tiny

HOLD_LOCK = Path(__file__).with_name("hold_lock.py")


def test_a_full_disk_is_an_error_before_a_run_and_before_a_save(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(run, 10)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 900))
    with pytest.raises(
        CheckpointError, match=r"step 20 could not be saved .* only 0.0 MB are free"
    ):
        save(run, 20)
    assert sorted(path.name for path in run.path.iterdir()) == ["config.json", "step-00000010"]
    with pytest.raises(CheckpointError, match=r"the run cannot be stored .* free some space there"):
        Run(tmp_path / "new", CONFIG).create()


def test_two_processes_cannot_write_to_the_same_run(run: Run) -> None:
    command = [sys.executable, str(HOLD_LOCK), str(run.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert other.stdout.readline() == "held\n"
        message = rf"another process \(process ID {other.pid}\) is training"
        with pytest.raises(CheckpointError, match=message), run.lock_for_writing():
            pass
        save(run, 10)
        assert run.select("last").step == 10, "readers need no lock"
        other.kill()
    with run.lock_for_writing():  # the lock of a killed process is released
        pass


def test_a_failed_save_keeps_older_checkpoints_and_leaves_no_temporary_files(
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


def test_a_failed_replacement_restores_the_old_checkpoint(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(run, 10, 1.0)
    rename = Path.rename

    def failing(path: Path, target: Path) -> Path:
        if path.name == ".saving":
            raise OSError(5, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(CheckpointError, match=r"step 10 could not be saved .*Input/output error"):
        save(run, 10, 2.0)
    assert run.select("last").val_loss == 1.0


def test_the_next_save_restores_a_checkpoint_whose_replacement_crashed(run: Run) -> None:
    folder = save(run, 10, 1.0).path
    folder.rename(run.path / ".replaced-step-00000010")
    (run.path / ".saving").mkdir()
    assert run.select("last").step == 10, "until then, the replaced folder is read"
    save(run, 20)
    assert [checkpoint.step for checkpoint in run.checkpoints()] == [10, 20]
    assert not (run.path / ".saving").exists()


def test_a_reader_scans_again_if_all_checkpoints_were_removed_in_the_meantime(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(run, 10)
    original = read_records

    def prune_and_read(folder: Path, config_record: FileRecord) -> Any:
        monkeypatch.setattr(module, "read_records", original)
        for step in (20, 30, 40):
            save(run, step)
        assert not folder.exists()
        return original(folder, config_record)

    monkeypatch.setattr(module, "read_records", prune_and_read)
    assert run.select("last").step == 40


def test_readers_never_see_an_incomplete_checkpoint(text_file: Path) -> None:
    """Read the best and newest checkpoint continuously while a run saves at each step."""
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


def test_a_new_run_needs_a_folder_of_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    check_new_folder(folder)
    folder.mkdir()
    for name in (".hidden", "output.log"):
        (folder / name).touch()
    check_new_folder(folder)
    (folder / "novel.txt").touch()
    with pytest.raises(CheckpointError, match="contains other files"):
        check_new_folder(folder)
    for wrong, problem in (
        (folder / "novel.txt", "Not a directory"),
        (tmp_path / ("x" * 300), "File name too long"),
        (tmp_path / "a\0b", "null byte"),
    ):
        with pytest.raises(CheckpointError, match=f"no run can be created in .*{problem}"):
            check_new_folder(wrong)


def test_a_link_to_nowhere_is_no_folder_for_a_run(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("nowhere")
    with pytest.raises(CheckpointError, match="no run can be created in"):
        check_new_folder(link)
    assert not (tmp_path / "nowhere").exists()


def test_a_new_run_needs_room_for_all_checkpoints_that_it_can_have(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = Run(tmp_path / "new", CONFIG)
    size = new.checkpoint_bytes + MAX_OVERHEAD_BYTES
    for count, is_enough in ((4, False), (5, True)):
        usage = shutil._ntuple_diskusage(9, 9, count * size)
        monkeypatch.setattr(shutil, "disk_usage", lambda _, usage=usage: usage)
        if is_enough:
            new.create()
        else:
            with pytest.raises(CheckpointError, match="the run cannot be stored"):
                new.create()


def test_a_run_has_at_most_the_counted_checkpoints(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts, prune = [], Run._prune

    def count_and_prune(self: Run) -> None:
        counts.append(len(self.checkpoints()))
        prune(self)

    monkeypatch.setattr(Run, "_prune", count_and_prune)
    for step, loss in ((10, 1.0), (20, 2.0), (30, None), (40, None), (50, None), (60, None)):
        save(run, step, loss)
    assert max(counts) == MAX_CHECKPOINTS
