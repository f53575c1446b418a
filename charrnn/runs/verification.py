"""Every byte of a run, checked: what `charrnn verify` tells."""

from typing import NamedTuple

from charrnn.errors import CheckpointError
from charrnn.runs import manifest as manifests
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.metrics import read_rows
from charrnn.runs.run import Run


class VerifiedFile(NamedTuple):
    """A file or folder of a run, and what is wrong with it: nothing if `damage` is None."""

    name: str
    bytes: int
    damage: str | None


def verify_run(run: Run) -> list[VerifiedFile]:
    """Check the files of a run that could be opened: the oldest checkpoint first.

    A checkpoint's manifest vouches for its files and for config.json; metrics.jsonl, which has
    none, holds if each of its lines is a row.
    """
    found, broken = run.scan_checkpoints()
    results = [_checked(each) for each in found]
    results += [
        VerifiedFile(folder.name, 0, "its manifest does not hold: it is damaged, or not whole")
        for _, folder in sorted(broken.items())
    ]
    if not found and not broken:
        results.append(VerifiedFile(run.path.name, 0, "it holds no checkpoint"))
    if run.metrics_path.exists():
        results.append(_curves(run))
    return results


def _checked(checkpoint: Checkpoint) -> VerifiedFile:
    size = sum(record["size"] for record in checkpoint.manifest["files"].values())
    try:
        checkpoint.verify()
        for part in ("model", "trainer"):
            checkpoint.load(part)
    except CheckpointError as error:
        return VerifiedFile(checkpoint.path.name, size, str(error))
    return VerifiedFile(checkpoint.path.name, size, None)


def _curves(run: Run) -> VerifiedFile:
    path = run.metrics_path
    try:
        data = manifests.read_file(path, path.lstat().st_size)
        lines, rows = len(data.decode().splitlines()), len(read_rows(path))
        damage = f"line {rows + 1} of {lines} is not a row" if rows < lines else None
    except (CheckpointError, OSError, ValueError, RecursionError) as error:
        return VerifiedFile(path.name, 0, str(error))
    return VerifiedFile(path.name, len(data), damage)
