"""The model of the disk, on examples that are small enough to list all states."""

import contextlib
import os
from pathlib import Path

from tests.runs.disk_states import Disk, list_subsets, list_torn
from tests.runs.recorded_disk import Change, Recorder, Snapshot, recorded


def list_states(recorder: Recorder) -> list[Snapshot]:
    """Return the distinct states after the last operation."""
    recorder.compare()
    disk = Disk.before(recorder.recording)
    for operation in recorder.recording.operations:
        disk = disk.after(operation)
    states = {frozenset(state.items()) for state in disk.states(100)}
    return sorted((dict(state) for state in states), key=str)


def sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    os.fsync(descriptor)
    os.close(descriptor)


def test_a_file_without_a_sync_can_be_lost_torn_or_complete(tmp_path: Path) -> None:
    with contextlib.chdir(tmp_path), recorded(tmp_path) as recorder:
        Path("new").write_bytes(b"data")
        Path("new").replace("file")
    contents = (b"", b"\0\0\0\0", b"\xff\xff\xff\xff", b"data")
    expected: list[Snapshot] = [{}]
    expected += [{name: data} for name in ("new", "file") for data in contents]
    assert list_states(recorder) == sorted(expected, key=str)


def test_syncs_of_the_file_and_the_folder_keep_it(tmp_path: Path) -> None:
    with contextlib.chdir(tmp_path), recorded(tmp_path) as recorder:
        Path("new").write_bytes(b"data")
        sync(Path("new"), os.O_RDWR)
        Path("new").replace("file")
        assert list_states(recorder) == [{"file": b"data"}, {"new": b"data"}, {}]
        sync(tmp_path, os.O_RDONLY)
        assert list_states(recorder) == [{"file": b"data"}]


def test_a_removal_can_be_on_the_disk_before_an_earlier_rename_of_its_folder(
    tmp_path: Path,
) -> None:
    Path(tmp_path, "step").mkdir()
    Path(tmp_path, "step", "file").touch()
    with contextlib.chdir(tmp_path), recorded(tmp_path) as recorder:
        Path("step").rename("removed")
        Path("removed", "file").unlink()
    assert {"step": None} in list_states(recorder)
    assert len(list_states(recorder)) == 4


def test_a_large_write_can_be_torn_at_a_block() -> None:
    new = bytes(range(256)) * 6
    assert list_torn(b"", new)[:2] == [b"", b""]
    assert set(list_torn(b"", new)[2:]) == {
        new,
        bytes(1536),
        b"\xff" * 1536,
        new[:512],
        new[:512] + bytes(1024),
        bytes(512) + new[512:],
    }
    assert list_torn(b"row\n", b"row\nrow\n") == [
        b"row\n",
        b"row\n",
        b"row\nrow\n",
        b"row\n\0\0\0\0",
        b"row\n\xff\xff\xff\xff",
    ]


def test_subsets_keep_the_order_of_the_changes_of_a_name() -> None:
    changes = [
        Change(0, (("a", 1),)),
        Change(0, (("a", None), ("b", 1))),
        Change(2, (("c", 3),)),
    ]
    assert {tuple(sorted(subset)) for subset in list_subsets(changes, 100)} == {
        *((), (0,), (0, 1)),
        *((2,), (0, 2), (0, 1, 2)),
    }
    assert set(list_subsets(changes, 4)) <= set(list_subsets(changes, 100))
    many = [Change(0, ((str(number), number + 1),)) for number in range(12)]
    assert 40 < len(list_subsets(many, 256)) < 200
