"""Where runs are: by folder, by name under `checkpoints/` of the working folder, or the newest."""

from pathlib import Path

from charrnn.checkpoint import CONFIG_FILE, Run
from charrnn.errors import CheckpointError

RUNS_FOLDER = Path("checkpoints")


def find_run(name: str | None) -> Run:
    """Open a run by folder, by name under `checkpoints/`, or (None) the newest one there."""
    if name is not None:
        paths = [Path(name), RUNS_FOLDER / name]
        path = next((each for each in paths if (each / CONFIG_FILE).is_file()), None)
        if path is None:
            raise CheckpointError(
                f"there is no run {name}, nor {paths[1]}: `charrnn list` shows the runs there are, "
                "`charrnn train` makes one"
            )
        return Run.open(path)
    paths = [path for path in run_paths() if any(path.glob("step-*"))]
    if not paths:
        raise CheckpointError(
            f"there is no run in {RUNS_FOLDER} of this folder yet: make one with `charrnn train`"
        )
    return Run.open(max(paths, key=_last_change))


def run_paths(folder: Path = RUNS_FOLDER) -> list[Path]:
    """Return the run folders in `folder`, by name."""
    return sorted(config.parent for config in folder.glob(f"*/{CONFIG_FILE}"))


def free_path(name: str, folder: Path = RUNS_FOLDER) -> Path:
    """Return where a new run called `name` goes: `name`, else `name-2`, `name-3`, ..."""
    path, number = folder / name, 1
    while path.exists():
        number += 1
        path = folder / f"{name}-{number}"
    return path


def _last_change(run: Path) -> float:
    return max(path.stat().st_mtime for path in (run, run / CONFIG_FILE))
