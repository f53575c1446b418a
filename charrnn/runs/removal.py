"""The size of a run on the disk, and its removal."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from charrnn.errors import CheckpointError
from charrnn.runs.layout import CONFIG_FILE, METRICS_FILE, TENSORBOARD_FOLDER
from charrnn.runs.run import Run
from charrnn.runs.saving import lock_for_writing
from charrnn.runs.teachers import list_teacher_folders

_RUN_FILES = re.compile(
    rf"{re.escape(METRICS_FILE)}|{TENSORBOARD_FOLDER}|step-\d+|\.(lock|writer|saving)|\.(replaced|removed)-step-\d+"
)


def measure_size(run: Run) -> int:
    """Return the bytes of the files of a run and its teachers, or those of a model file."""
    if run.path.is_file():
        return run.path.stat().st_size
    size = 0
    for run_folder in (run.path, *list_teacher_folders(run)):
        for path in _list_run_files(run_folder):
            if path.is_dir():
                for folder, _, names in os.walk(path):
                    size += sum(_size_of(Path(folder, name)) for name in names)
            else:
                size += _size_of(path)
    return size


def remove_run(run: Run) -> list[Path]:
    """Remove a run and its teachers; return the other files in its folder, which remain.

    If its folder is a symbolic link, the link is removed too.

    Raises `CheckpointError` if the run is being trained, or if a file cannot be removed.
    """
    with lock_for_writing(run.path.resolve()):
        for teacher in list_teacher_folders(run):
            with lock_for_writing(teacher.resolve()):
                _remove_run_files(teacher)
            _remove_link(teacher)
        _remove_run_files(run.path)
    _remove_link(run.path)
    return sorted(run.path.iterdir()) if run.path.exists() else []


def _remove_run_files(folder: Path) -> None:
    try:
        for path in _list_run_files(folder):
            if path.is_symlink():
                path.unlink()
            elif path.is_dir():
                shutil.rmtree(path)
        for name in (METRICS_FILE, CONFIG_FILE):
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise CheckpointError(
            f"{folder} cannot be removed completely ({error.strerror or error})",
            "check that you may write there",
        ) from None


def _remove_link(folder: Path) -> None:
    """Remove a symbolic link to a folder that was removed."""
    if not folder.exists():
        folder.unlink(missing_ok=True)


def _list_run_files(folder: Path) -> Iterator[Path]:
    """Yield the files and folders that charrnn has written in a run folder, without teachers."""
    for path in sorted(folder.iterdir()):
        if path.name == CONFIG_FILE or _RUN_FILES.fullmatch(path.name):
            yield path


def _size_of(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:  # another process has removed it
        return 0
