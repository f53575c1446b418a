import contextlib
import errno
import os
from pathlib import Path

import pytest

from charrnn.errors import ConfigError
from charrnn.files import (
    expand_path,
    list_disk_remedies,
    new_folder,
    quote_path,
    replace_file,
    sync_file,
    sync_folder,
    temporary_file,
    write_synced,
)
from tests.runs.power_loss import PowerLoss
from tests.runs.recorded_disk import recorded


@pytest.fixture
def operations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are synced and renamed, in order."""
    records, fsync, replace = list[str](), os.fsync, Path.replace

    def record_sync(descriptor: int) -> None:
        records.append(f"sync {Path(os.readlink(f'/proc/self/fd/{descriptor}')).name}")
        fsync(descriptor)

    def record_rename(path: Path, target: Path) -> Path:
        records.append(f"rename {path.name}")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", record_sync)
    monkeypatch.setattr(Path, "replace", record_rename)
    return records


linux = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="there is no /proc")


def list_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_atomically(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    replace_file(path, "one")
    replace_file(path, "two")
    assert path.read_text() == "two"
    with pytest.raises(UnicodeEncodeError):
        replace_file(path, "\ud800")
    assert path.read_text() == "two"
    assert list_names(tmp_path) == ["page.html"]


def test_an_error_names_the_file_and_not_the_temporary_one(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for path, kind in {
        tmp_path / "missing" / "page.html": FileNotFoundError,
        tmp_path / "file" / "page.html": NotADirectoryError,
        tmp_path / "folder": IsADirectoryError,
    }.items():
        with pytest.raises(kind) as caught:
            replace_file(path, "three")
        assert (caught.value.filename, caught.value.filename2) == (str(path), None)
    assert list_names(tmp_path) == ["file", "folder"]


@linux
def test_a_replacement_syncs_the_file_before_the_rename_and_the_folder_after(
    tmp_path: Path, operations: list[str]
) -> None:
    replace_file(tmp_path / "config.json", b"data")
    temporary = ".config.json.tmp"
    assert operations == [f"sync {temporary}", f"rename {temporary}", f"sync {tmp_path.name}"]


@pytest.mark.parametrize("old", [b"old\n" * 300, None], ids=["a file", "no file"])
def test_a_file_is_the_old_or_the_new_one_after_a_power_loss(old: bytes | None) -> None:
    path, new = Path("page.html"), b"new\n" * 500
    Path("files").mkdir()

    def read() -> bytes | None:
        return path.read_bytes() if path.exists() else None

    with contextlib.chdir("files"):
        if old is not None:
            path.write_bytes(old)
        with recorded(Path()) as recorder:
            replace_file(path, new)
            recorder.mark("replaced")

    def is_kept(found: bytes | None, marks: set[str]) -> bool:
        return found == new or (found == old and not marks)

    power_loss = PowerLoss(read)
    assert not power_loss.find_violation(recorder.recording, is_kept)
    assert len(recorder.recording.syncs()) == 2
    assert power_loss.list_unneeded_syncs(recorder.recording, is_kept) == []


@linux
def test_data_is_complete_when_it_is_synced(tmp_path: Path, operations: list[str]) -> None:
    write_synced(tmp_path / "weights", b"data")
    with (tmp_path / "codes").open("wb") as file:
        file.write(b"in Python's buffer")
        sync_file(file)
        assert (tmp_path / "codes").read_bytes() == b"in Python's buffer"
    assert operations == ["sync weights", "sync codes"]


def test_a_temporary_file_is_removed_if_it_was_not_moved(tmp_path: Path) -> None:
    with temporary_file(tmp_path) as file:
        file.write(b"kept")
        sync_file(file)
        Path(file.name).replace(tmp_path / "kept")
    with pytest.raises(KeyboardInterrupt), temporary_file(tmp_path):
        raise KeyboardInterrupt
    assert list_names(tmp_path) == ["kept"]
    assert (tmp_path / "kept").read_bytes() == b"kept"


def test_a_new_folder_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "encoded"
    with new_folder(path) as folder:
        (folder / "codes").touch()
        assert not path.exists()
    assert list_names(path) == ["codes"]
    with new_folder(path) as folder:  # the first folder is not replaced
        (folder / "other").touch()
    with pytest.raises(KeyboardInterrupt), new_folder(tmp_path / "interrupted") as folder:
        raise KeyboardInterrupt
    assert list_names(tmp_path) == ["encoded"]
    assert list_names(path) == ["codes"]


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_that_cannot_sync_folders_is_no_error(
    monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def raise_error(descriptor: int) -> None:
        raise OSError(code, "cannot sync")

    monkeypatch.setattr(os, "fsync", raise_error)
    sync_folder(Path())


def test_a_folder_that_cannot_be_read_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def raise_error(path: Path, flags: int) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", raise_error)
    sync_folder(Path())


def test_the_error_of_a_failed_sync_names_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def raise_error(descriptor: int) -> None:
        raise OSError(errno.EIO, "fault")

    monkeypatch.setattr(os, "fsync", raise_error)
    with pytest.raises(OSError, match="fault") as error:
        sync_folder(Path("."))
    assert error.value.filename == "."


def test_the_home_folder_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expand_path("~/novel.txt") == tmp_path / "novel.txt"
    assert expand_path("~") == tmp_path
    assert expand_path("./~") == Path("~").absolute()
    assert expand_path(expand_path("./~")) == Path("~").absolute()
    assert expand_path("a~/~b") == Path("a~/~b")


@pytest.mark.parametrize("path", ["", " ", "\t\n"])
def test_an_empty_path_is_an_error(path: str) -> None:
    with pytest.raises(ConfigError, match="an empty path"):
        expand_path(path)


def test_an_unknown_user_is_an_error() -> None:
    with pytest.raises(
        ConfigError, match=r"home folder in ~no-such-user/a .* or \./~no-such-user/a"
    ):
        expand_path("~no-such-user/a")


@pytest.mark.parametrize(
    ("path", "argument"),
    [("runs/a", "runs/a"), ("my novel", "'my novel'"), ("-a", "./-a"), ("a'b", "'a'\"'\"'b'")],
)
def test_a_path_in_a_command_is_quoted_for_the_shell(path: str, argument: str) -> None:
    assert quote_path(Path(path)) == argument


@pytest.mark.parametrize(
    ("path", "argument"),
    [("runs\\a", "runs\\a"), ("my novel", '"my novel"'), ("R&D", '"R&D"'), ("-a", "./-a")],
)
def test_a_path_in_a_command_is_quoted_for_windows(
    path: str, argument: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("charrnn.files.os.name", "nt")
    assert quote_path(path) == argument


@pytest.mark.parametrize(
    ("number", "remedies"),
    [
        (errno.ENOSPC, ("free some space on that disk",)),
        (errno.EROFS, ("check that you may write there",)),
        (errno.EIO, ()),
    ],
)
def test_what_to_do_depends_on_the_error_of_the_disk(
    number: int, remedies: tuple[str, ...]
) -> None:
    assert list_disk_remedies(OSError(number, "reason", "path")) == remedies
