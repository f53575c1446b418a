"""The teachers of a run: networks that are trained first, as runs in the folder of the run.

RUN/teacher-1/  a run like any other
RUN/teacher-2/

When all teachers are trained, the network of RUN starts to learn from the best checkpoint of each.
Its progress records these checkpoints, because it must learn from the same ones after a resume.
"""

from pathlib import Path

from charrnn.config.counts import format_count
from charrnn.errors import CheckpointError
from charrnn.files import quote_path
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.layout import CONFIG_FILE
from charrnn.runs.progress import Progress
from charrnn.runs.run import Run
from charrnn.runs.run_config import Origin


def teacher_path(run: Run, number: int) -> Path:
    """Return the folder of a teacher of a run; the first teacher has number 1."""
    return run.path / f"teacher-{number}"


def open_teachers(run: Run) -> list[Run]:
    """Open the runs of all teachers; raise `CheckpointError` if one is missing."""
    missing = list_missing_teachers(run)
    if missing:
        raise _make_error(run, f"{missing[0]} does not contain one")
    return [Run.open(path) for path in _list_paths(run)]


def select_teachers(run: Run, progress: Progress) -> list[Checkpoint]:
    """Return the checkpoints that the network of a run with this progress learns from.

    These are the best ones when it starts. Raises `CheckpointError` if one is missing or damaged.
    """
    teachers = open_teachers(run)
    if not progress.teachers:
        return [teacher.select("best") for teacher in teachers]
    return [
        _find_checkpoint(run, teacher, origin)
        for teacher, origin in zip(teachers, progress.teachers, strict=True)
    ]


def record_teachers(run: Run, checkpoints: list[Checkpoint]) -> tuple[Origin, ...]:
    """Return the record of the checkpoints that the network of a run learns from."""
    return tuple(
        Origin(
            path=checkpoint.path.relative_to(run.path).as_posix(), sha256=checkpoint.origin.sha256
        )
        for checkpoint in checkpoints
    )


def _find_checkpoint(run: Run, teacher: Run, origin: Origin) -> Checkpoint:
    for checkpoint in teacher.checkpoints():
        if checkpoint.origin.sha256 == origin.sha256:
            checkpoint.verify(("model",))
            return checkpoint
    raise _make_error(run, f"the checkpoint {run.path / origin.path} is no longer there")


def _make_error(run: Run, problem: str) -> CheckpointError:
    return CheckpointError(
        f"{run.path} learns from {format_count(run.config.training.teachers, 'teacher')}, but "
        f"{problem}",
        "restore its files from a backup",
        f"start a new run from its weights with `charrnn train --init-from {quote_path(run.path)}`",
    )


def is_trained(run: Run) -> bool:
    """Return whether a run without a time limit has ended, and not because it was stopped."""
    checkpoints = run.checkpoints()
    if not checkpoints:
        return False
    progress, patience = Progress.from_checkpoint(checkpoints[-1]), run.config.training.patience
    is_at_end = progress.horizon is not None and progress.step >= progress.horizon
    is_patience_over = 0 < patience <= progress.stale_evaluations
    is_ended = is_at_end or is_patience_over or progress.has_reached(run.config.training)
    return progress.evaluated_step == progress.step and is_ended


def list_missing_teachers(run: Run) -> list[Path]:
    """Return the folders of the teachers that were removed."""
    return [path for path in _list_paths(run) if not (path / CONFIG_FILE).is_file()]


def open_kept_teachers(run: Run) -> tuple[list[Run], list[tuple[Path, CheckpointError]]]:
    """Open the runs of the teachers that were not removed, which only a resume needs.

    Also return the folders of those that cannot be opened, each with the error.
    """
    teachers, damaged = [], []
    for path in list_teacher_folders(run):
        try:
            teachers.append(Run.open(path))
        except CheckpointError as error:
            damaged.append((path, error))
    return teachers, damaged


def list_teacher_folders(run: Run) -> list[Path]:
    """Return the folders of the teachers that were not removed."""
    return [path for path in _list_paths(run) if (path / CONFIG_FILE).is_file()]


def _list_paths(run: Run) -> list[Path]:
    return [teacher_path(run, number + 1) for number in range(run.config.training.teachers)]
