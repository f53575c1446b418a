"""The teachers of a run: networks that are trained first, as runs in the folder of the run.

RUN/teacher-1/  a run like any other; RUN learns from the best checkpoint of each teacher
RUN/teacher-2/
"""

from pathlib import Path

from charrnn.config.counts import format_count
from charrnn.errors import CheckpointError
from charrnn.files import quote_path
from charrnn.runs.layout import CONFIG_FILE
from charrnn.runs.run import Run


def teacher_path(run: Run, number: int) -> Path:
    """Return the folder of a teacher of a run; the first teacher has number 1."""
    return run.path / f"teacher-{number}"


def open_teachers(run: Run) -> list[Run]:
    """Open the runs of all teachers; raise `CheckpointError` if one is missing."""
    paths = _list_paths(run)
    missing = [path for path in paths if not (path / CONFIG_FILE).is_file()]
    if missing:
        raise CheckpointError(
            f"{run.path} learns from {format_count(len(paths), 'teacher')}, but {missing[0]} does "
            "not contain one",
            "restore its files from a backup",
            "start a new run from its weights with "
            f"`charrnn train --init-from {quote_path(run.path)}`",
        )
    return [Run.open(path) for path in paths]


def list_kept_teachers(run: Run) -> list[Run]:
    """Open the runs of the teachers that were not removed, which only a resume needs."""
    return [Run.open(path) for path in _list_paths(run) if (path / CONFIG_FILE).is_file()]


def _list_paths(run: Run) -> list[Path]:
    return [teacher_path(run, number + 1) for number in range(run.config.training.teachers)]
