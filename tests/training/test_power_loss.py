"""Power losses at each point of a training; see `tests.runs.disk_states` for what they leave."""

import contextlib
import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from charrnn.data.corpus import Corpus
from charrnn.runs.metrics import TIMING_KEYS, append_row, read_rows
from charrnn.runs.run import Run
from charrnn.training.events import Event, Saved, Started
from charrnn.training.loop import resume
from tests.runs.power_loss import PowerLoss
from tests.runs.recorded_disk import Change, Recording, Sync, recorded, write_files
from tests.training.tiny_runs import (
    assert_same_run_apart_from_kept_checkpoints,
    stop_after,
    tiny,
)

STEPS = 4
SETTINGS: dict[str, Any] = {
    "max_steps": STEPS,
    "log_every": 2,
    "save_every": 2,
    "eval_every": STEPS,
}
RUN = Path("run")
MAX_SUBSETS = 8  # `tests.runs.test_power_loss` examines more subsets of a save

Row = tuple[tuple[str, Any], ...]


class Found(NamedTuple):
    """The step and the digest of the newest checkpoint, and the rows of the metrics, untimed."""

    step: int
    digest: str
    rows: tuple[Row, ...]


def read() -> Found | None:
    """Return what the current folder contains; None if it has no checkpoint."""
    if not (RUN / "config.json").exists():
        return None
    run = Run.open(RUN)
    checkpoints, damaged = run.scan_checkpoints()
    assert not damaged
    if not checkpoints:
        return None
    newest = run.select("last", ("model", "trainer"))
    return Found(newest.step, newest.manifest["digest"], read_untimed_rows())


def read_untimed_rows() -> tuple[Row, ...]:
    return tuple(
        tuple((key, value) for key, value in row.items() if key not in TIMING_KEYS)
        for row in read_rows(RUN / "metrics.jsonl")
    )


def rows_until(step: int, rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if dict(row)["step"] <= step]


class Training:
    """A recording of a training, and what must be found after a power loss."""

    def __init__(self, folder: Path, events: Iterable[Event]) -> None:
        with contextlib.chdir(folder):
            self._saved = [read()]
            with recorded(Path()) as recorder:
                for event in events:
                    if isinstance(event, Started | Saved) and (newest := read()) != self._saved[-1]:
                        self._saved.append(newest)
                        recorder.mark(f"save {len(self._saved)}")
            self._rows = read_untimed_rows()
        self.recording: Recording = recorder.recording

    def is_kept(self, found: Found | None, marks: set[str]) -> bool:
        """Whether the newest checkpoint is the last or the next one, with all rows until then."""
        possible = self._saved[len(marks) : len(marks) + 2]
        if found is None:
            return None in possible
        return (found.step, found.digest) in [saved[:2] for saved in possible if saved] and (
            rows_until(found.step, found.rows) == rows_until(found.step, self._rows)
        )


@pytest.fixture(autouse=True)
def _without_real_syncs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for the disk: nothing depends on what it really contains."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def record_new_run(text: Corpus) -> Training:
    """Record a training from its first operation to its last."""
    Path("files").mkdir()
    return Training(Path("files"), tiny("run", text, **SETTINGS))


def record_resumed_run(text: Corpus) -> Training:
    """Record a resume after a kill, which has left a row of a later step."""
    Path("files").mkdir()
    with contextlib.chdir("files"):
        stop = threading.Event()
        stop_after(tiny("run", text, stop, **SETTINGS), stop, STEPS // 2)
        append_row(RUN / "metrics.jsonl", {"step": STEPS // 2 + 1})
    return Training(Path("files"), resume("run"))


def check(training: Training, text: Corpus, num_resumed: int) -> None:
    """Search all points of a training; then resume some of the states, and compare the results.

    Also check that every sync of the metrics is needed.
    """
    power_loss = PowerLoss(read, MAX_SUBSETS)
    assert not power_loss.find_violation(training.recording, training.is_kept)
    print(f"{power_loss.points} points, {power_loss.num_states:,} states, {num_resumed} resumed")
    list(tiny("whole", text, **SETTINGS))
    unfinished = power_loss.sample_states(
        num_resumed, lambda found: found is not None and found.step < STEPS
    )
    assert len(unfinished) == num_resumed
    syncs = list_metrics_syncs(training.recording)
    assert len(syncs) == 3
    assert power_loss.list_unneeded_syncs(training.recording, training.is_kept, syncs) == []
    for number, snapshot in enumerate(unfinished):
        folder = Path(f"resumed-{number}")
        folder.mkdir()
        write_files(folder, snapshot)
        list(resume(str(folder / RUN)))
        assert_same_run_apart_from_kept_checkpoints(folder / RUN, Path("whole"))


@pytest.mark.parametrize("record", [record_new_run, record_resumed_run])
def test_no_checkpoint_and_no_row_before_it_is_lost(
    record: Callable[[Corpus], Training], text: Corpus
) -> None:
    check(record(text), text, num_resumed=4)


@pytest.mark.slow
@pytest.mark.parametrize("record", [record_new_run, record_resumed_run])
def test_many_states_resume_exactly(record: Callable[[Corpus], Training], text: Corpus) -> None:
    check(record(text), text, num_resumed=100)


def list_metrics_syncs(recording: Recording) -> list[Sync]:
    """Return the syncs of metrics.jsonl, and those of its folder after a change of its name."""
    syncs, is_changed = list[Sync](), False
    for operation in recording.operations:
        if isinstance(operation, Change):
            is_changed |= any("metrics" in name for name, _ in operation.names)
        elif isinstance(operation, Sync):
            if "metrics" in operation.label:
                syncs.append(operation)
            elif is_changed:
                syncs.append(operation)
                is_changed = False
    return syncs
