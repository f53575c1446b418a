"""Records what a block of code does to the files in a folder.

The folder is compared with what it contained before at each operation of which the interpreter
informs its audit hooks, and at each `fsync`. So the record has the effects of the operations, not
their arguments, and contains only those that succeeded.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.runs.file_events import listening

ROOT = 0
"""The number of the folder that is recorded."""


@dataclass(frozen=True)
class Write:
    """New contents of a file."""

    inode: int
    before: bytes
    after: bytes


@dataclass(frozen=True)
class Change:
    """An atomic change of a folder: names and their new inodes. None: the name is removed.

    One name is created or removed, or a rename removes one and sets the other.
    """

    inode: int
    names: tuple[tuple[str, int | None], ...]


@dataclass(frozen=True)
class Sync:
    """The contents of a file, or the names in a folder, are flushed to the disk."""

    inode: int
    label: str


@dataclass(frozen=True)
class Mark:
    """A point in the record, from which on something is promised."""

    name: str


Operation = Write | Change | Sync | Mark
Snapshot = dict[str, bytes | None]
"""The bytes of each file by its path; None: it is a folder."""


def write_files(root: Path, snapshot: Snapshot) -> None:
    """Create the files and folders of a snapshot."""
    for path, data in sorted(snapshot.items(), key=lambda item: item[0]):
        if data is None:
            (root / path).mkdir()
        else:
            (root / path).write_bytes(data)


@dataclass
class Tree:
    """The contents of a disk: the names in each folder and the bytes of each file, by inode."""

    folders: dict[int, dict[str, int]] = field(default_factory=lambda: {ROOT: {}})
    files: dict[int, bytes] = field(default_factory=dict)

    def copy(self) -> "Tree":
        """Return a copy that can be changed."""
        return Tree({inode: dict(names) for inode, names in self.folders.items()}, {**self.files})

    def apply(self, operation: Operation) -> None:
        """Apply a change or a write."""
        if isinstance(operation, Write):
            self.files[operation.inode] = operation.after
        elif isinstance(operation, Change):
            names = self.folders.setdefault(operation.inode, {})
            for name, inode in operation.names:
                names.pop(name, None)
                if inode is not None:
                    names[name] = inode

    def snapshot(self, folders: set[int]) -> Snapshot:
        """Return the files and folders by path; `folders` has the inodes of folders."""
        return {
            path: None if inode in folders else self.files.get(inode, b"")
            for path, inode in self.walk()
        }

    def walk(self) -> Iterator[tuple[str, int]]:
        """Yield the path and the inode of each file and folder, parents first."""
        found = [("", ROOT)]
        while found:
            path, inode = found.pop()
            for name, child in self.folders.get(inode, {}).items():
                yield f"{path}{name}", child
                found.append((f"{path}{name}/", child))


@dataclass
class Recording:
    """What the disk contained at first, and the operations."""

    before: Tree
    operations: Sequence[Operation]
    folders: set[int]
    """The inodes of all folders; the others are files."""

    def live(self) -> Tree:
        """Return what the folder contains after all operations."""
        tree = self.before.copy()
        for operation in self.operations:
            tree.apply(operation)
        return tree

    def without(self, sync: Sync) -> "Recording":
        """Return the recording of a program that lacks one `fsync`."""
        kept = [operation for operation in self.operations if operation is not sync]
        return Recording(self.before, kept, self.folders)

    def until(self, count: int) -> "Recording":
        """Return the first operations, without marks: the process was killed then."""
        first = self.operations[:count]
        kept = [operation for operation in first if not isinstance(operation, Mark)]
        return Recording(self.before, kept, self.folders)

    @property
    def count(self) -> int:
        """The largest inode."""
        inodes = [
            inode
            for operation in self.operations
            if isinstance(operation, Change)
            for _, inode in operation.names
            if inode is not None
        ]
        return max([*(inode for _, inode in self.before.walk()), *inodes, ROOT])

    def syncs(self, first: int = 0) -> list[Sync]:
        """Return each `fsync` after the first operations, in order."""
        return [operation for operation in self.operations[first:] if isinstance(operation, Sync)]


class Recorder:
    """Compares a folder with what it contained before, and records the differences.

    With `killed`, the folder gets the files that a killed process has left; its operations are the
    first ones of the record.
    """

    def __init__(self, root: Path, killed: Recording | None = None) -> None:
        self._root = root
        self._numbers = {root.stat().st_ino: ROOT}  # by the inode of the real disk
        self._paths = {ROOT: "."}
        if killed:
            live = killed.live()
            write_files(root, live.snapshot(killed.folders))
            for path, inode in live.walk():
                self._numbers[(root / path).lstat().st_ino] = inode
        self._count = killed.count if killed else ROOT
        self._folders = killed.folders if killed else {ROOT}
        self._names, self._contents = self._scan()
        before = Tree(files=dict(self._contents))
        for (folder, name), inode in self._names.items():
            before.folders.setdefault(folder, {})[name] = inode
        self._operations: list[Operation] = [*killed.operations] if killed else []
        self.recording = Recording(
            killed.before if killed else before,
            self._operations,
            self._folders,
        )

    def mark(self, name: str) -> None:
        """Record that something is promised from here on."""
        self.compare()
        self._operations.append(Mark(name))

    def sync(self, descriptor: int) -> None:
        """Record an `fsync` instead of executing it."""
        self.compare()
        number = self._numbers.get(os.fstat(descriptor).st_ino)
        if number is not None:
            self._operations.append(Sync(number, self._paths[number]))

    def compare(self) -> None:
        """Record what has changed since the last call: at most one change of names, and writes."""
        names, contents = self._scan()
        changed = {
            key: names.get(key)
            for key in (*self._names, *names)
            if names.get(key) != self._names.get(key)
        }
        if changed:
            self._operations.append(_make_change(changed, self._names))
        for inode, data in contents.items():
            before = self._contents.get(inode, b"")
            if data != before:
                self._operations.append(Write(inode, before, data))
        self._names, self._contents = names, contents

    def _scan(self) -> tuple[dict[tuple[int, str], int], dict[int, bytes]]:
        """Return the inode of each name, and the bytes of each file."""
        names, contents, seen = dict[tuple[int, str], int](), dict[int, bytes](), {ROOT}
        folders = [(ROOT, self._root)]
        while folders:
            folder, path = folders.pop()
            for entry in list(os.scandir(path)):
                number = self._numbers.get(entry.inode())
                if number is None:
                    self._count += 1
                    number = self._numbers[entry.inode()] = self._count
                seen.add(number)
                names[folder, entry.name] = number
                self._paths[number] = os.path.relpath(entry.path, self._root)
                if entry.is_dir(follow_symlinks=False):
                    self._folders.add(number)
                    folders.append((number, Path(entry.path)))
                else:
                    contents[number] = Path(entry.path).read_bytes()
        for inode, number in list(self._numbers.items()):
            if number not in seen:  # another file can get this inode of the real disk
                del self._numbers[inode]
        return names, contents


def _make_change(
    changed: dict[tuple[int, str], int | None], names: dict[tuple[int, str], int]
) -> Change:
    """Return the change that sets these names; check that one operation can have made it."""
    (folder,) = {folder for folder, _ in changed}
    new = [inode for inode in changed.values() if inode is not None]
    removed = [names[key] for key, inode in changed.items() if inode is None]
    assert len(changed) == 1 or new == removed, f"several operations at once: {changed}"
    return Change(folder, tuple((name, inode) for (_, name), inode in changed.items()))


@contextlib.contextmanager
def recorded(root: Path, killed: Recording | None = None) -> Iterator[Recorder]:
    """Record what a block does to the files in a folder, which are on the disk before it."""
    recorder = Recorder(root, killed)
    with pytest.MonkeyPatch.context() as patch, listening(lambda event: recorder.compare()):
        patch.setattr(os, "fsync", recorder.sync)
        yield recorder
    recorder.compare()
