"""A search for a state of the disk after a power loss that breaks a promise."""

import contextlib
import random
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from tests.runs.disk_states import Disk
from tests.runs.recorded_disk import Mark, Recording, Snapshot, Sync, write_files

MAX_SUBSETS = 128

Found = TypeVar("Found")
IsKept = Callable[[Found, set[str]], bool]
"""Whether what was found keeps the promises of the marks before the power loss."""


class Violation(NamedTuple):
    """A state of the disk that breaks a promise."""

    found: object
    operations: list[object]
    """Those before the power loss."""
    snapshot: Snapshot


class PowerLoss(Generic[Found]):
    """Inspects the states of recordings, each distinct one once.

    `inspect` is called in a folder with the files of a state; it must not change them. An error
    that it raises breaks each promise.
    """

    def __init__(self, inspect: Callable[[], Found], max_subsets: int = MAX_SUBSETS) -> None:
        self._inspect, self._max_subsets = inspect, max_subsets
        self._found = dict[frozenset[tuple[str, bytes | None]], Found | Exception]()
        self._folder = Path(tempfile.mkdtemp(dir=Path.cwd()), "disk")
        self._folder.mkdir()
        self._files = Snapshot()
        self._spare = list[Path]()
        """Empty folders that can be used again."""
        self.points = 0
        """At how many points a power loss was examined."""

    @property
    def num_states(self) -> int:
        """How many distinct states were inspected."""
        return len(self._found)

    def find_violation(
        self, recording: Recording, is_kept: IsKept[Found], first: int = 0
    ) -> Violation | None:
        """Search all points after the first operations, the last point first."""
        disk, marks, points = Disk.before(recording), set[str](), list[tuple[Disk, set[str]]]()
        for operation in recording.operations:
            disk = disk.after(operation)
            marks |= {operation.name} if isinstance(operation, Mark) else set()
            points.append((disk, {*marks}))
        for count in reversed(range(first, len(points))):
            self.points += 1
            disk, marks = points[count]
            for snapshot in disk.states(self._max_subsets):
                found = self._look_up(snapshot)
                if isinstance(found, Exception) or not is_kept(found, marks):
                    return Violation(found, [*recording.operations[: count + 1]], snapshot)
        return None

    def list_unneeded_syncs(
        self, recording: Recording, is_kept: IsKept[Found], syncs: Sequence[Sync] | None = None
    ) -> list[str]:
        """Return the syncs, by default of all, without which all promises are kept too."""
        return [
            sync.label
            for sync in (recording.syncs() if syncs is None else syncs)
            if not self.find_violation(recording.without(sync), is_kept)
        ]

    def sample_states(
        self, count: int, is_wanted: Callable[[Found], bool] = lambda found: True
    ) -> list[Snapshot]:
        """Return at most `count` of the inspected states in which something wanted was found.

        Call it before `list_unneeded_syncs`, which also inspects states that are not possible.
        """
        states = [
            state
            for state, found in self._found.items()
            if not isinstance(found, Exception) and is_wanted(found)
        ]
        return [dict(state) for state in random.Random(1).sample(states, min(count, len(states)))]

    def _look_up(self, snapshot: Snapshot) -> Found | Exception:
        key = frozenset(snapshot.items())
        if key not in self._found:
            self._set_files(snapshot)
            try:
                with contextlib.chdir(self._folder):
                    self._found[key] = self._inspect()
            except Exception as error:
                self._found[key] = error
        return self._found[key]

    def _set_files(self, snapshot: Snapshot) -> None:
        """Write the files of a state over those of the previous one."""
        kept = {
            path: data
            for path, data in self._files.items()
            if path in snapshot and (data is None) == (snapshot[path] is None)
        }
        for path in sorted(self._files.keys() - kept.keys(), reverse=True):
            if self._files[path] is None:  # a rename is faster than a removal
                spare = self._folder.with_name(f"spare-{len(self._spare)}")
                self._spare.append((self._folder / path).rename(spare))
            else:
                (self._folder / path).unlink()
        changed = {path: data for path, data in snapshot.items() if kept.get(path, 0) != data}
        for path in sorted(path for path, data in changed.items() if data is None):
            if self._spare:
                self._spare.pop().rename(self._folder / path)
                del changed[path]
        write_files(self._folder, changed)
        self._files = snapshot
