"""What a disk may contain after a power loss.

The model is that of ALICE (Pillai et al., OSDI 2014) and CrashMonkey (Mohan et al., OSDI 2018):

- An operation is on the disk if its file or its folder was synced after it. The others are pending.
- A pending change of a folder (creation, rename, removal) is on the disk or not. Only changes of
  the same name keep their order. A rename is atomic.
- A pending write has had no effect, or it is complete, or only the first or only the last of its
  blocks are on the disk, or the file is as long as after the write, but contains zeros or bytes of
  other files.
- All subsets of the pending changes are examined if there are at most `max_subsets`. If there are
  more: each prefix, each change alone, all changes except each one, and random subsets, a quarter
  as many.
"""

import functools
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass

from tests.runs.recorded_disk import (
    ROOT,
    Change,
    Operation,
    Recording,
    Snapshot,
    Sync,
    Tree,
    Write,
)

_BLOCK = 512  # bytes that a disk writes at once


@dataclass(frozen=True)
class Disk:
    """What is on a disk for certain, and the operations that a power loss may undo."""

    synced: Tree
    folders: set[int]
    """The inodes of all folders."""
    pending: tuple[Write | Change, ...] = ()

    @classmethod
    def before(cls, recording: Recording) -> "Disk":
        """Return the disk before the first operation."""
        return cls(recording.before, recording.folders)

    def after(self, operation: Operation) -> "Disk":
        """Return the disk after an operation. A sync completes those of its file or folder."""
        if isinstance(operation, Write | Change):
            return Disk(self.synced, self.folders, (*self.pending, operation))
        if not isinstance(operation, Sync):
            return self
        synced = self.synced.copy()
        for pending in self.pending:
            if pending.inode == operation.inode:
                synced.apply(pending)
        left = [pending for pending in self.pending if pending.inode != operation.inode]
        reachable = _find_reachable(synced, left)
        kept = tuple(pending for pending in left if pending.inode in reachable)
        return Disk(synced, self.folders, kept)

    def states(self, max_subsets: int) -> Iterator[Snapshot]:
        """Yield what the disk may contain after a power loss; equal states can occur repeatedly."""
        changes = [pending for pending in self.pending if isinstance(pending, Change)]
        contents = dict[int, list[bytes]]()
        for write in self.pending:
            if isinstance(write, Write):
                contents.setdefault(write.inode, []).extend(list_torn(write.before, write.after))
        for subset in list_subsets(changes, max_subsets):
            tree = self.synced.copy()
            for number in sorted(subset):
                tree.apply(changes[number])
            for chosen in itertools.product(*map(dict.fromkeys, contents.values())):
                tree.files.update(zip(contents, chosen, strict=True))
                yield tree.snapshot(self.folders)


def _find_reachable(synced: Tree, pending: list[Write | Change]) -> set[int]:
    """Return the files and folders that have a path in at least one state."""
    children = {inode: set(names.values()) for inode, names in synced.folders.items()}
    for change in pending:
        if isinstance(change, Change):
            new = {inode for _, inode in change.names if inode is not None}
            children.setdefault(change.inode, set()).update(new)
    found, left = {ROOT}, [ROOT]
    while left:
        new = children.get(left.pop(), set()) - found
        found |= new
        left += new
    return found


@functools.cache
def list_torn(before: bytes, after: bytes) -> list[bytes]:
    """Return what a file may contain after a power loss, if a write was not synced."""
    kept = before if after.startswith(before) else b""  # else, it was truncated first
    new = after[len(kept) :]
    zeros, others = bytes(len(new)), b"\xff" * len(new)
    ends = [b"", new, zeros, others]
    if len(new) > _BLOCK:
        half = len(new) // 2 // _BLOCK * _BLOCK or _BLOCK
        ends += [new[:half], new[:half] + zeros[half:], zeros[:half] + new[half:]]
    return [before, *(kept + end for end in ends)]


def list_subsets(changes: list[Change], max_subsets: int) -> list[frozenset[int]]:
    """Return the subsets of pending changes that may be on the disk, as numbers of changes."""
    keys = [{(change.inode, name) for name, _ in change.names} for change in changes]
    earlier = [
        {number for number in range(last) if keys[number] & keys[last]}
        for last in range(len(changes))
    ]
    subsets = [frozenset[int]()]
    for number in range(len(changes)):
        subsets += [subset | {number} for subset in subsets if earlier[number] <= subset]
        if len(subsets) > max_subsets:
            return _select_subsets(earlier, max_subsets // 4)
    return subsets


def _select_subsets(earlier: list[set[int]], num_random: int) -> list[frozenset[int]]:
    """Return some of the possible subsets: see the docstring of this module."""
    numbers, generator = range(len(earlier)), random.Random(len(earlier))
    wanted = [set(range(end)) for end in range(len(earlier) + 1)]
    for number in numbers:
        alone = {number}
        for last in reversed(range(number + 1)):
            alone |= earlier[last] if last in alone else set()
        wanted += [alone, {*numbers} - {number}]
    for share in (0.5, 0.8):
        wanted += [
            {number for number in numbers if generator.random() < share}
            for _ in range(num_random // 2)
        ]
    return list(dict.fromkeys(_remove_impossible(subset, earlier) for subset in wanted))


def _remove_impossible(wanted: set[int], earlier: list[set[int]]) -> frozenset[int]:
    """Remove the changes of names whose earlier changes are not in the subset."""
    kept = set[int]()
    for number in sorted(wanted):
        if earlier[number] <= kept:
            kept.add(number)
    return frozenset(kept)
