"""Tests in which a save is killed, or the disk fails, at each of its file operations."""

import errno
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from charrnn import files
from charrnn.errors import CheckpointError
from charrnn.runs.run import Run
from tests.runs.file_events import listening
from tests.runs.small_run import CONFIG, save

REMOVING = ("os.remove", "os.rmdir")
CHANGING = ("os.rename", "os.mkdir", *REMOVING)
STEPS = (10, 20, 30)  # saved before the save that fails: the best, another, the newest


class Disk:
    """Records the operations that change files, and fails at one of them."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.operations = list[str]()
        self.fail: Callable[[str, int], None] = lambda name, number: None
        original_fsync = os.fsync

        def fsync(descriptor: int) -> None:
            self("fsync")
            original_fsync(descriptor)

        def write(path: Path, data: bytes) -> None:
            with path.open("wb") as file:
                file.write(data[: len(data) // 2])
                file.flush()
                self("write")
                file.write(data[len(data) // 2 :])
                file.flush()
                os.fsync(file.fileno())

        patch.setattr(os, "fsync", fsync)
        for module in ("charrnn.files", "charrnn.runs.saving"):
            patch.setattr(sys.modules[module], "write_synced", write)
        assert files.write_synced is write

    def __call__(self, name: str) -> None:
        self.operations.append(name)
        self.fail(name, len(self.operations) - 1)

    def run(self, function: Callable[[], object]) -> None:
        """Call a function and record its operations."""
        self.operations.clear()
        with listening(self):
            function()


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def make_runs() -> Iterator[Run]:
    """Yield new runs with three checkpoints each."""
    number = 0
    while True:
        run = Run(Path(f"run-{number}"), CONFIG)
        run.create()
        for step, loss in zip(STEPS, (1.0, 2.0, 3.0), strict=True):
            save(run, step, loss)
        yield run
        number += 1


def save_operations(disk: Disk, run: Run, step: int) -> list[str]:
    """Return the operations of a save without faults."""
    disk.run(lambda: save(run, step, 2.5))
    names = list(disk.operations)
    assert {"open", "write", "fsync", *CHANGING} == set(names)
    return names


def assert_intact(run: Run, newest: int) -> None:
    """Check that all checkpoints are intact and that no older checkpoint is lost."""
    opened = Run.open(run.path)
    checkpoint = opened.select("last", ("model", "trainer"))
    assert checkpoint.step == newest
    steps = [checkpoint.step for checkpoint in opened.checkpoints()]
    assert len(steps) >= 3, "the best and two more"
    assert steps[0] == opened.select("best").step == 10
    for checkpoint in opened.checkpoints():
        checkpoint.verify()


@pytest.mark.parametrize("step", [40, 30], ids=["a new one", "one that is replaced"])
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_save_can_be_killed_at_every_operation(disk: Disk, step: int) -> None:
    new_runs = make_runs()
    names = save_operations(disk, next(new_runs), step)
    for index, name in enumerate(names):
        run = next(new_runs)
        child = os.fork()
        if child == 0:
            disk.fail = lambda _, number, index=index: (  # type: ignore[misc]
                os.kill(os.getpid(), signal.SIGKILL) if number == index else None
            )
            disk.run(lambda run=run: save(run, step, 2.5))  # type: ignore[misc]
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL, (index, name)
        steps = [checkpoint.step for checkpoint in Run.open(run.path).checkpoints()]
        assert_intact(run, max(steps))
        with run.lock_for_writing():
            save(run, 50, 2.0)
        assert_intact(run, 50)
        assert not [path for path in run.path.iterdir() if path.name.startswith((".s", ".re"))]
    print(f"killed at each of {len(names)} file operations of a save")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS], ids=errno.errorcode.get)
@pytest.mark.parametrize("is_permanent", [False, True], ids=["once", "permanent"])
@pytest.mark.parametrize("step", [40, 30], ids=["a new one", "one that is replaced"])
def test_a_save_can_fail_at_every_operation(
    disk: Disk, code: int, is_permanent: bool, step: int
) -> None:
    new_runs, faults = make_runs(), 0
    names = save_operations(disk, next(new_runs), step)
    for index in range(len(names)):
        run = next(new_runs)

        def fail(name: str, number: int, index: int = index) -> None:
            succeeds = code == errno.ENOSPC and name in REMOVING  # works also on a full disk
            if number == index or (is_permanent and number > index and not succeeds):
                raise OSError(code, os.strerror(code))

        disk.fail = fail
        try:
            disk.run(lambda run=run: save(run, step, 2.5))  # type: ignore[misc]
            message = ""
        except CheckpointError as error:
            message = str(error)
        disk.fail = lambda name, number: None
        faults += 1
        if message:
            assert f"step {step} could not be saved in {run.path} ({os.strerror(code)})" in message
            assert "the earlier checkpoints are intact" in message
        assert_intact(
            run, step if not message else max(Run.open(run.path).checkpoints()[-1].step, 30)
        )
        save(run, 50, 2.0)
        assert_intact(run, 50)
        assert not [path for path in run.path.iterdir() if path.name.startswith(".")]
    print(f"faults injected: {faults} ({errno.errorcode[code]})")


def creation_operations(disk: Disk) -> list[str]:
    """Return the operations of the creation of a run without faults."""
    disk.run(Run(Path("intact"), CONFIG).create)
    assert disk.operations == ["os.mkdir", "fsync", "open", "write", "fsync", "os.rename", "fsync"]
    return list(disk.operations)


def test_a_creation_can_fail_at_every_operation(disk: Disk) -> None:
    operation_names = creation_operations(disk)
    for index, name in enumerate(operation_names[:-1]):  # a remaining temporary file does no harm

        def fail(_: str, number: int, index: int = index) -> None:
            if number == index:
                raise OSError(errno.EIO, os.strerror(errno.EIO))

        run = Run(Path(f"run-{index}"), CONFIG)
        disk.fail = fail
        with pytest.raises(
            CheckpointError, match=f"{run.path} cannot be created .Input/output error"
        ):
            disk.run(run.create)
        disk.fail = lambda name, number: None
        renamed = "os.rename" in operation_names[:index]
        names = [path.name for path in run.path.iterdir()] if run.path.exists() else []
        assert names == (["config.json"] if renamed else []), name
        if not renamed:
            run.create()
        assert Run.open(run.path).config == run.config


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_creation_can_be_killed_at_every_operation(disk: Disk) -> None:
    operation_names = creation_operations(disk)
    for index, name in enumerate(operation_names):
        run = Run(Path(f"run-{index}"), CONFIG)
        child = os.fork()
        if child == 0:
            disk.fail = lambda _, number, index=index: (  # type: ignore[misc]
                os.kill(os.getpid(), signal.SIGKILL) if number == index else None
            )
            disk.run(run.create)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL, (index, name)
        if not (run.path / "config.json").exists():
            run.create()
        assert Run.open(run.path).config == run.config
        assert [path.name for path in run.path.iterdir()] == ["config.json"]
