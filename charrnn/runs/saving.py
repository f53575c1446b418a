"""Write run folders: one process at a time holds the lock; checkpoints are written atomically.

RUN/.lock .writer            the lock of the process that trains, and its process ID
RUN/.saving/                 a checkpoint while it is written
RUN/.replaced-step-00001000/ an old checkpoint while it is replaced
RUN/.removed-step-00001000/  a checkpoint while it is removed
"""

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import filelock

from charrnn.errors import CheckpointError
from charrnn.files import make_folder, quote_path, sync_folder, write_synced
from charrnn.runs.layout import CONFIG_FILE

_SAVING, _REPLACED, _REMOVED = ".saving", ".replaced-", ".removed-"
_LOCK_FILE, _WRITER_FILE = ".lock", ".writer"


def check_new_folder(run: Path) -> None:
    """Raise `CheckpointError` unless a new run can be created in the folder `run`.

    A folder that exists may contain only hidden files and files whose name ends in .log.
    """
    try:
        os.lstat(run)
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise _no_folder_error(run, error) from None
    try:
        names = os.listdir(run)  # fails for a dangling link, which `lstat` finds
    except OSError as error:
        raise _no_folder_error(run, error) from None
    if CONFIG_FILE in names:
        raise CheckpointError(
            f"{run} already contains a run",
            f"continue it with `charrnn resume {quote_path(run)}`",
            "give another folder with --out-dir",
            "remove this folder",
        )
    if any(not name.startswith(".") and not name.endswith(".log") for name in names):
        raise CheckpointError(
            f"the folder {run} contains other files, and a run needs a folder of its own",
            "give the path of a new folder",
        )


def _no_folder_error(run: Path, error: OSError | ValueError) -> CheckpointError:
    reason = error.strerror if isinstance(error, OSError) else error
    return CheckpointError(
        f"no run can be created in {str(run)[:200]} ({reason})", "give the path of a new folder"
    )


@contextlib.contextmanager
def lock_for_writing(run: Path) -> Iterator[None]:
    """Lock a run in a block; raise `CheckpointError` if another process holds the lock.

    The operating system releases the lock when the process ends, even if it is killed.
    """
    lock = filelock.FileLock(run / _LOCK_FILE, timeout=0)
    try:
        make_folder(run)
        lock.acquire()
        (run / _WRITER_FILE).write_text(f"{os.getpid()}", encoding="ascii")
        _clean_up(run)
    except filelock.Timeout:
        raise CheckpointError(
            f"another process{_describe_writer(run)} is training {run}",
            "wait until it ends",
            "stop it",
            "give another folder with --out-dir",
        ) from None
    except OSError as error:
        lock.release()
        raise CheckpointError(
            f"the run folder {run} cannot be written ({error.strerror})",
            "check that the disk has free space and that you may write there",
            "give another folder with --out-dir",
        ) from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            (run / _WRITER_FILE).unlink()
        lock.release()
        if not (run / CONFIG_FILE).exists():  # no run was created
            with contextlib.suppress(OSError):
                (run / _LOCK_FILE).unlink()
                run.rmdir()


def is_locked(run: Path) -> bool:
    """Return whether a process is training a run, as far as its files say. Changes no file."""
    process_id = _read_writer(run)
    if not process_id:
        return False
    if os.name != "posix":  # a signal with the number 0 would end the process
        return True
    try:
        os.kill(int(process_id), 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def save_checkpoint(folder: Path, contents: Mapping[str, bytes], label: str) -> None:
    """Write the files of a checkpoint to a temporary folder, then rename it to `folder`.

    Raises `CheckpointError` if the disk is full or fails; the existing checkpoints remain intact.
    `label` names the checkpoint in the message.
    """
    run = folder.parent
    temporary, replaced = run / _SAVING, run / f"{_REPLACED}{folder.name}"
    try:
        _clean_up(run)
        check_free_space(run, sum(map(len, contents.values())), f"{label} could not be saved")
        temporary.mkdir()
        for name, data in contents.items():
            write_synced(temporary / name, data)
        sync_folder(temporary)
        if folder.exists():
            folder.rename(replaced)
        temporary.rename(folder)
        sync_folder(run)
        shutil.rmtree(replaced, ignore_errors=True)
    except OSError as error:
        raise CheckpointError(
            f"{label} could not be saved in {run} ({error.strerror}); the earlier checkpoints are "
            "intact",
            "free some space or repair the disk, then run `charrnn resume`",
        ) from None
    finally:
        with contextlib.suppress(OSError):
            _clean_up(run)


def remove_checkpoints(run: Path, folders: Iterable[Path]) -> None:
    """Remove checkpoints of a run; if this fails, the next save tries again."""
    for folder in folders:
        # Rename first, so that no reader sees an incomplete folder as a damaged checkpoint.
        with contextlib.suppress(OSError):
            folder.rename(run / f"{_REMOVED}{folder.name}")
    with contextlib.suppress(OSError):
        _clean_up(run)


def check_free_space(folder: Path, needed: int, problem: str) -> None:
    """Raise `CheckpointError` if the disk of a folder has fewer free bytes than `needed`.

    `problem` is the start of the message.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise CheckpointError(
            f"{problem} in {folder}: {needed / 1e6:,.1f} MB are needed, but only "
            f"{free / 1e6:,.1f} MB are free on that disk",
            "free some space there",
        )


def _clean_up(run: Path) -> None:
    """Remove the temporary folders of a failed save; restore the checkpoint that it replaced."""
    shutil.rmtree(run / _SAVING, ignore_errors=True)
    unused = list(run.glob(f"{_REMOVED}*"))
    for replaced in list(run.glob(f"{_REPLACED}*")):
        folder = run / replaced.name.removeprefix(_REPLACED)
        if folder.exists():
            unused.append(replaced)
        else:
            replaced.rename(folder)
    if unused:
        sync_folder(run)  # or a power loss could undo the rename of a folder, but not its removal
    for folder in unused:
        shutil.rmtree(folder, ignore_errors=True)


def _describe_writer(run: Path) -> str:
    """Return the ID of the process that holds the lock, for a message; empty if unknown."""
    process_id = _read_writer(run)
    return f" (process ID {process_id})" if process_id else ""


def _read_writer(run: Path) -> str:
    """Return the ID of the process that trains a run; empty if it is not known."""
    try:
        process_id = (run / _WRITER_FILE).read_text(encoding="ascii")[:20]
    except (OSError, ValueError):
        return ""
    return process_id if process_id.isdigit() else ""
