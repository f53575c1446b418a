"""Verification of the files of a run, for `charrnn verify`."""

from typing import NamedTuple

from charrnn.errors import CheckpointError
from charrnn.runs import manifest as manifests
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.layout import CONFIG_FILE
from charrnn.runs.metrics import read_rows
from charrnn.runs.run import Run
from charrnn.runs.teachers import is_trained, list_missing_teachers, open_kept_teachers


class VerifiedFile(NamedTuple):
    """A file or folder of a run that was verified; `damage` is None if it is intact."""

    name: str
    bytes: int
    damage: str | None
    note: str | None = None
    """What could not be verified."""


def verify_run(run: Run) -> list[VerifiedFile]:
    """Verify all files of a run, the oldest checkpoint first, then those of its teachers.

    The manifest of a checkpoint covers its files and config.json. metrics.jsonl has no manifest: it
    is intact if each of its lines is a row.
    """
    checkpoints, damaged = run.scan_checkpoints()
    results = [_verify_checkpoint(checkpoint) for checkpoint in checkpoints]
    results += [
        VerifiedFile(folder.name, 0, "its manifest is not valid: it is damaged or incomplete")
        for _, folder in sorted(damaged.items())
    ]
    if not checkpoints and not damaged:
        results.append(VerifiedFile(run.name, 0, "it contains no checkpoint"))
    if run.metrics_path.exists():
        results.append(_verify_metrics(run))
    teachers, damaged_teachers = open_kept_teachers(run)
    for teacher in teachers:
        results += [
            result._replace(name=f"{teacher.path.name}/{result.name}")
            for result in verify_run(teacher)
        ]
    results += [
        VerifiedFile(f"{path.name}/{CONFIG_FILE}", 0, str(error))
        for path, error in damaged_teachers
    ]
    if not run.path.is_file() and not is_trained(run):
        results += [
            VerifiedFile(path.name, 0, "it is missing, so the run cannot be resumed")
            for path in list_missing_teachers(run)
        ]
    return results


def _verify_checkpoint(checkpoint: Checkpoint) -> VerifiedFile:
    size = checkpoint.num_bytes
    try:
        checkpoint.verify()
        for part in ("model", "trainer"):
            checkpoint.load(part)
        checkpoint.load_gradient_squares()
    except CheckpointError as error:
        return VerifiedFile(checkpoint.path.name, size, str(error))
    note = checkpoint.describe_unverified()
    return VerifiedFile(checkpoint.path.name, size, None, note)


def _verify_metrics(run: Run) -> VerifiedFile:
    path = run.metrics_path
    try:
        data = manifests.read_file(path, path.lstat().st_size)
        lines, rows = len(data.decode().splitlines()), len(read_rows(path))
        damage = f"line {rows + 1} of {lines} is not a row" if rows < lines else None
    except (CheckpointError, OSError, ValueError, RecursionError) as error:
        return VerifiedFile(path.name, 0, str(error))
    return VerifiedFile(path.name, len(data), damage)
