"""How a run folder is written: by one process at a time, each checkpoint whole or not at all.

RUN/.lock .writer            held by the process that trains; its number
RUN/.saving/                 a checkpoint that is being written
RUN/.replaced-step-00001000/ one that another takes the place of
RUN/.removed-step-00001000/  one that is being removed
"""

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import filelock

from charrnn.errors import CheckpointError
from charrnn.files import sync_folder, write_synced
from charrnn.runs.layout import CONFIG_FILE

_SAVING, _REPLACED, _REMOVED = ".saving", ".replaced-", ".removed-"
_LOCK, _WRITER = ".lock", ".writer"


@contextlib.contextmanager
def lock_for_writing(run: Path) -> Iterator[None]:
    """Keep other processes from writing to a run; raise `CheckpointError` if one does.

    The system lets go of the lock when the process ends, however it ends.
    """
    lock = filelock.FileLock(run / _LOCK, timeout=0)
    try:
        run.mkdir(parents=True, exist_ok=True)
        lock.acquire()
        (run / _WRITER).write_text(f"{os.getpid()}", encoding="ascii")
        _clear_away(run)
    except filelock.Timeout:
        raise CheckpointError(
            f"{run} is being trained by another process{_writer(run)}: wait until it ends, stop "
            "it, or give another folder with --out-dir"
        ) from None
    except OSError as error:
        lock.release()
        raise CheckpointError(
            f"the run folder {run} cannot be written ({error.strerror}): make it writable, or "
            "give another one with --out-dir"
        ) from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            (run / _WRITER).unlink()
        lock.release()
        if not (run / CONFIG_FILE).exists():  # no run came of it
            with contextlib.suppress(OSError):
                (run / _LOCK).unlink()
                run.rmdir()


def save_checkpoint(folder: Path, contents: Mapping[str, bytes], what: str) -> None:
    """Write the files of a checkpoint in this order, then put it in its place.

    Raises `CheckpointError` where the disk is full or fails: what was there before is there still.
    """
    run = folder.parent
    temporary, replaced = run / _SAVING, run / f"{_REPLACED}{folder.name}"
    try:
        _clear_away(run)
        check_free_space(run, sum(map(len, contents.values())), f"{what} could not be saved")
        temporary.mkdir()
        for name, data in contents.items():
            write_synced(temporary / name, data)
        sync_folder(temporary)
        if folder.exists():
            folder.rename(replaced)
        temporary.rename(folder)
        sync_folder(run)
    except OSError as error:
        raise CheckpointError(
            f"{what} could not be saved in {run} ({error.strerror}): make room or mend the disk, "
            "then `charrnn resume`; the checkpoints saved before are intact"
        ) from None
    finally:
        with contextlib.suppress(OSError):
            _clear_away(run)


def remove_checkpoints(folders: Iterable[Path]) -> None:
    """Remove checkpoints; where that fails, the next save tries again."""
    for folder in folders:
        # Renamed first, so that no reader takes what is half removed for damaged.
        removed = folder.with_name(f"{_REMOVED}{folder.name}")
        with contextlib.suppress(OSError):
            folder.rename(removed)
        shutil.rmtree(removed, ignore_errors=True)


def check_free_space(folder: Path, needed: int, what: str) -> None:
    """Raise `CheckpointError` unless so many bytes are free on the disk of a folder."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise CheckpointError(
            f"{what} in {folder}: {needed / 1e6:,.1f} MB are needed and {free / 1e6:,.1f} are free "
            "on that disk; make room there"
        )


def _clear_away(run: Path) -> None:
    """Remove what a save leaves when it fails; what it was about to replace comes back."""
    for litter in (run / _SAVING, *run.glob(f"{_REMOVED}*")):
        shutil.rmtree(litter, ignore_errors=True)
    for replaced in run.glob(f"{_REPLACED}*"):
        folder = run / replaced.name.removeprefix(_REPLACED)
        if folder.exists():
            shutil.rmtree(replaced, ignore_errors=True)
        else:
            replaced.rename(folder)


def _writer(run: Path) -> str:
    try:
        number = (run / _WRITER).read_text(encoding="ascii")[:20]
    except (OSError, ValueError):
        number = ""
    return f" (number {number})" if number.isdigit() else ""
