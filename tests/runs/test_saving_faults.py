"""A save that is killed, or whose disk fails, at every one of its file operations."""

import errno
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from charrnn import files
from charrnn.errors import CheckpointError
from charrnn.runs.run import Run
from tests.runs.small_run import CONFIG, save

REMOVING = ("os.remove", "os.rmdir")
CHANGING = ("os.rename", "os.mkdir", *REMOVING)
STEPS = (10, 20, 30)  # before the save that fails: the best, another, the newest

_told: list[Callable[[str], None]] = []


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if not _told:
        return
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_CREAT:
        _told[0]("open")
    elif event in CHANGING:
        _told[0](event)


sys.addaudithook(_audit)


class Disk:
    """Counts the operations that change files, and fails at one of them."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.done = list[str]()
        self.fail: Callable[[str, int], None] = lambda name, number: None
        plain = os.fsync

        def fsync(descriptor: int) -> None:
            self("fsync")
            plain(descriptor)

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
        self.done.append(name)
        self.fail(name, len(self.done) - 1)

    def watched(self, work: Callable[[], object]) -> None:
        self.done.clear()
        _told[:] = [self]
        try:
            work()
        finally:
            _told.clear()


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    yield Disk(monkeypatch)
    _told.clear()


def runs() -> Iterator[Run]:
    """Yield new runs, each of three checkpoints."""
    number = 0
    while True:
        run = Run(Path(f"run-{number}"), CONFIG)
        run.create()
        for step, loss in zip(STEPS, (1.0, 2.0, 3.0), strict=True):
            save(run, step, loss)
        yield run
        number += 1


def operations(disk: Disk, run: Run, step: int) -> list[str]:
    """Return what a save does when nothing fails."""
    disk.watched(lambda: save(run, step, 2.5))
    done = list(disk.done)
    assert {"open", "write", "fsync", *CHANGING} == set(done)
    return done


def assert_whole(run: Run, newest: int) -> None:
    """What the run holds is sound, of the older checkpoints none is lost."""
    opened = Run.open(run.path)
    checkpoint = opened.select("last", ("model", "trainer"))
    assert checkpoint.step == newest
    steps = [each.step for each in opened.checkpoints()]
    assert len(steps) >= 3, "the best and two more"
    assert steps[0] == opened.select("best").step == 10
    for each in opened.checkpoints():
        each.verify()


@pytest.mark.parametrize("step", [40, 30], ids=["a new one", "one that is replaced"])
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_killed_at_every_operation_of_a_save(disk: Disk, step: int) -> None:
    new = runs()
    names = operations(disk, next(new), step)
    for place, name in enumerate(names):
        run = next(new)
        child = os.fork()
        if child == 0:
            disk.fail = lambda _, number, place=place: (  # type: ignore[misc]
                os.kill(os.getpid(), signal.SIGKILL) if number == place else None
            )
            disk.watched(lambda run=run: save(run, step, 2.5))  # type: ignore[misc]
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL, (place, name)
        kept = [each.step for each in Run.open(run.path).checkpoints()]
        assert_whole(run, max(kept))
        with run.lock_for_writing():
            save(run, 50, 2.0)
        assert_whole(run, 50)
        assert not [each for each in run.path.iterdir() if each.name.startswith((".s", ".re"))]
    print(f"killed at each of {len(names)} file operations of a save")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS], ids=errno.errorcode.get)
@pytest.mark.parametrize("for_good", [False, True], ids=["once", "for good"])
@pytest.mark.parametrize("step", [40, 30], ids=["a new one", "one that is replaced"])
def test_a_fault_at_every_operation_of_a_save(
    disk: Disk, code: int, for_good: bool, step: int
) -> None:
    new, faults = runs(), 0
    names = operations(disk, next(new), step)
    for place in range(len(names)):
        run = next(new)

        def fail(name: str, number: int, place: int = place) -> None:
            removable = code == errno.ENOSPC and name in REMOVING  # a full disk lets go of files
            if number == place or (for_good and number > place and not removable):
                raise OSError(code, os.strerror(code))

        disk.fail = fail
        try:
            disk.watched(lambda run=run: save(run, step, 2.5))  # type: ignore[misc]
            told = ""
        except CheckpointError as error:
            told = str(error)
        disk.fail = lambda name, number: None
        faults += 1
        if told:
            assert f"step {step} could not be saved in {run.path} ({os.strerror(code)})" in told
            assert "the checkpoints saved before are intact" in told
        assert_whole(run, step if not told else max(Run.open(run.path).checkpoints()[-1].step, 30))
        save(run, 50, 2.0)
        assert_whole(run, 50)
        assert not [each for each in run.path.iterdir() if each.name.startswith(".")]
    print(f"faults injected: {faults} ({errno.errorcode[code]})")


def creation(disk: Disk) -> list[str]:
    """Return what the creation of a run does when nothing fails."""
    disk.watched(Run(Path("whole"), CONFIG).create)
    assert disk.done == ["os.mkdir", "open", "write", "fsync", "os.rename", "fsync"]
    return list(disk.done)


def test_a_fault_at_every_operation_of_a_creation(disk: Disk) -> None:
    whole = creation(disk)
    for place, name in enumerate(whole[:-1]):  # a temporary file that stays does no harm

        def fail(_: str, number: int, place: int = place) -> None:
            if number == place:
                raise OSError(errno.EIO, os.strerror(errno.EIO))

        run = Run(Path(f"run-{place}"), CONFIG)
        disk.fail = fail
        with pytest.raises(CheckpointError, match=f"{run.path} cannot be made .Input/output error"):
            disk.watched(run.create)
        disk.fail = lambda name, number: None
        renamed = "os.rename" in whole[:place]
        left = [path.name for path in run.path.iterdir()] if run.path.exists() else []
        assert left == (["config.json"] if renamed else []), name
        if not renamed:
            run.create()
        assert Run.open(run.path).config == run.config


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_killed_at_every_operation_of_a_creation(disk: Disk) -> None:
    whole = creation(disk)
    for place, name in enumerate(whole):
        run = Run(Path(f"run-{place}"), CONFIG)
        child = os.fork()
        if child == 0:
            disk.fail = lambda _, number, place=place: (  # type: ignore[misc]
                os.kill(os.getpid(), signal.SIGKILL) if number == place else None
            )
            disk.watched(run.create)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL, (place, name)
        if not (run.path / "config.json").exists():
            run.create()
        assert Run.open(run.path).config == run.config
        assert [path.name for path in run.path.iterdir()] == ["config.json"]
