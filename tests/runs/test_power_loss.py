"""Power losses at each point of a save; see `tests.runs.disk_states` for what they leave."""

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest

from charrnn.runs.find import find_run
from charrnn.runs.new_folder import reserve_run_folder
from charrnn.runs.run import Run
from charrnn.runs.saving import check_new_folder
from tests.runs.power_loss import PowerLoss
from tests.runs.recorded_disk import Change, Recorder, Recording, recorded, write_files
from tests.runs.small_run import CONFIG, save

RUN = Run(Path("checkpoints/t"), CONFIG)
LOSSES = {10: 1.0, 20: 2.0, 30: 3.0}
MANY_SUBSETS = 1 << 14  # all at each point of each scenario, but not after each kill


class Found(NamedTuple):
    """A run, and the digests in the manifests of its newest and its best checkpoint."""

    is_run: bool
    newest: str | None = None
    best: str | None = None


NO_RUN, NO_CHECKPOINT = Found(False), Found(True)


def read() -> Found:
    """Return what the current folder contains. All checkpoints must be intact."""
    if not (RUN.path / "config.json").exists():
        check_new_folder(RUN.path)  # training can start again
        return NO_RUN
    run = Run.open(RUN.path)
    assert run.config == CONFIG
    checkpoints, damaged = run.scan_checkpoints()
    assert not damaged
    for checkpoint in checkpoints:
        checkpoint.verify()
    if not checkpoints:
        return NO_CHECKPOINT
    assert find_run(None, allow_bundled=False).path == run.path
    best, newest = run.select("best"), run.select("last", ("model", "trainer"))
    return Found(True, newest.manifest["digest"], best.manifest["digest"])


def first_save_without_lock(recorder: Recorder) -> None:
    RUN.create()
    recorder.mark("created")
    save(RUN, 10, 1.0)
    recorder.mark("saved")


def first_save(recorder: Recorder) -> None:
    with RUN.lock_for_writing():
        first_save_without_lock(recorder)


def first_save_in_a_reserved_folder(recorder: Recorder) -> None:
    with reserve_run_folder("t"):
        first_save(recorder)


def save_at(step: int, loss: float) -> Callable[[Recorder], None]:
    def act(recorder: Recorder) -> None:
        save(RUN, step, loss)
        recorder.mark("saved")

    return act


def remove_after_rollback(recorder: Recorder) -> None:
    RUN.remove_checkpoints_after(10)
    recorder.mark("saved")


SCENARIOS: dict[str, tuple[tuple[int, ...], Callable[[Recorder], None]]] = {
    "the first save": ((), first_save),
    "the first save in a reserved folder": ((), first_save_in_a_reserved_folder),
    "the first save of a teacher": ((), first_save_without_lock),
    "a further save": ((10, 20), save_at(30, 3.0)),
    "a replaced save": ((10, 20, 30), save_at(30, 2.5)),
    "a replaced save of the only checkpoint": ((10,), save_at(10, 0.5)),
    "a save after which two are removed": ((10, 20, 30), save_at(40, 0.5)),
    "a removal after a rollback": ((10, 20), remove_after_rollback),
}
"""The steps of the checkpoints before the power loss, and what is interrupted by it."""


@dataclass(frozen=True)
class Scenario:
    """What was found before and after the operations of a recording."""

    before: Found
    after: Found
    recording: Recording

    def is_kept(self, found: Found, marks: set[str]) -> bool:
        """Whether no checkpoint is lost: the newest is the one before or the new one."""
        if "saved" in marks:
            return found == self.after
        possible = {self.before, self.after}
        if self.before == NO_RUN:
            possible = {self.after, NO_CHECKPOINT} | ({NO_RUN} - {self.after})
            if "created" in marks:
                possible -= {NO_RUN}
        return found in possible


def record(name: str) -> Scenario:
    steps, act = SCENARIOS[name]
    folder = Path("files")
    folder.mkdir()
    with contextlib.chdir(folder):
        if steps:
            RUN.create()
        for step in steps:
            save(RUN, step, LOSSES[step])
        before = read()
        with recorded(Path()) as recorder:
            act(recorder)
        return Scenario(before, read(), recorder.recording)


@pytest.fixture(autouse=True)
def _without_real_syncs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for the disk: nothing depends on what it really contains."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def check(name: str, power_loss: PowerLoss[Found], num_resumed: int) -> None:
    """Search all points of a scenario; then continue in some of the states."""
    scenario = record(name)
    assert not power_loss.find_violation(scenario.recording, scenario.is_kept)
    print(f"{name}: {power_loss.points} points, {power_loss.num_states:,} states")
    for number, snapshot in enumerate(power_loss.sample_states(num_resumed)):
        folder = Path(f"resumed-{number}")
        folder.mkdir()
        write_files(folder, snapshot)
        with contextlib.chdir(folder):
            assert_can_be_continued()


def assert_can_be_continued() -> None:
    """Save again, as training does that starts again or is resumed."""
    with RUN.lock_for_writing():
        if read() == NO_RUN:
            RUN.create()
        save(RUN, 50, 9.0)
    assert RUN.select("last").step == 50
    assert {path.name for path in RUN.path.iterdir() if path.name.startswith(".")} == {".lock"}


def check_after_kills(name: str, power_loss: PowerLoss[Found], num_kills: int) -> None:
    """Kill a process at operations from the first rename on, and let the next one clean up.

    Then search all points of the clean-up.
    """
    scenario = record(name)
    first_rename = next(
        number
        for number, operation in enumerate(scenario.recording.operations)
        if isinstance(operation, Change) and len(operation.names) == 2
    )
    num_needed = 0
    for count in range(first_rename, len(scenario.recording.operations))[:num_kills]:
        recording, first = clean_up_after_kill(scenario.recording.until(count), f"killed-{count}")
        assert not power_loss.find_violation(recording, scenario.is_kept, first)
        for sync in recording.syncs(first):
            lacking = recording.without(sync)
            num_needed += bool(power_loss.find_violation(lacking, scenario.is_kept, first))
    assert num_needed, "the sync of the next process is needed after some of the kills"
    print(f"{name}, after kills: {power_loss.points} points, {power_loss.num_states:,} states")


def clean_up_after_kill(killed: Recording, name: str) -> tuple[Recording, int]:
    """Return a recording with the operations of the next process, and where they start."""
    folder = Path(name)
    folder.mkdir()
    with (
        contextlib.chdir(folder),
        recorded(Path(), killed) as recorder,
        RUN.lock_for_writing(),
    ):
        pass
    return recorder.recording, len(killed.operations)


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_checkpoint_is_lost_in(name: str) -> None:
    check(name, PowerLoss(read), num_resumed=10)


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_sync_is_needed_in(name: str) -> None:
    scenario, power_loss = record(name), PowerLoss(read)
    assert scenario.recording.syncs()
    assert power_loss.list_unneeded_syncs(scenario.recording, scenario.is_kept) == []
    print(f"{name}: a violation without each of {len(scenario.recording.syncs())} syncs")


@pytest.mark.parametrize("name", ["a replaced save", "a removal after a rollback"])
def test_no_checkpoint_is_lost_after_a_kill_in(name: str) -> None:
    check_after_kills(name, PowerLoss(read), num_kills=3)


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_no_subset_of_the_operations_loses_a_checkpoint_in(name: str) -> None:
    check(name, PowerLoss(read, MANY_SUBSETS), num_resumed=200)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(SCENARIOS)[4:])
def test_many_subsets_lose_no_checkpoint_after_a_kill_in(name: str) -> None:
    check_after_kills(name, PowerLoss(read, MANY_SUBSETS), num_kills=100)
