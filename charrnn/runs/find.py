"""Where runs are: in folders, under `checkpoints/` of the working folder, or inside charrnn."""

from pathlib import Path

from charrnn.errors import CheckpointError
from charrnn.files import installed_folder
from charrnn.runs.layout import CONFIG_FILE, STEP_FOLDERS
from charrnn.runs.run import Run

RUNS_FOLDER = Path("checkpoints")
BUNDLED = "bard"


def find_run(name: str | None, allow_bundled: bool = True) -> Run:
    """Open a run by folder, by name under `checkpoints/`, or (None) the newest one there.

    Where there is none, and by the name `bard`, it is the model that comes with charrnn.
    """
    if name is not None:
        paths = [Path(name), RUNS_FOLDER / name]
        places = [*paths, bundled_path()] if name == BUNDLED else paths
        path = next((each for each in places if (each / CONFIG_FILE).is_file()), None)
        if path is None:
            raise CheckpointError(
                f"there is no run {name}, nor {paths[1]}: `charrnn list` shows the runs there are, "
                "`charrnn train` makes one"
            )
        return Run.open(path)
    bundled = bundled_path()
    own = [
        path for path in run_paths() if any(path.glob(STEP_FOLDERS)) and not _same(path, bundled)
    ]
    if own:
        return Run.open(max(own, key=_last_change))
    if allow_bundled and (bundled / CONFIG_FILE).is_file():
        return Run.open(bundled)
    raise CheckpointError(
        f"there is no run in {RUNS_FOLDER} of this folder yet: make one with `charrnn train`"
    )


def open_if_run(name: str) -> Run | None:
    """Open the run that an argument names; return None if it names a file, or no run."""
    if Path(name).is_file():
        return None
    try:
        return find_run(name)
    except CheckpointError:
        return None


def bundled_path() -> Path:
    """Return the folder of the model that comes with charrnn."""
    return installed_folder(str(RUNS_FOLDER)) / BUNDLED


def run_paths(folder: Path = RUNS_FOLDER) -> list[Path]:
    """Return the run folders in `folder`, by name."""
    return sorted(config.parent for config in folder.glob(f"*/{CONFIG_FILE}"))


def unused_run_path(name: str, folder: Path = RUNS_FOLDER) -> Path:
    """Return where a new run called `name` goes: `name`, else `name-2`, `name-3`, ..."""
    path, number = folder / name, 1
    while path.exists():
        number += 1
        path = folder / f"{name}-{number}"
    return path


def _last_change(run: Path) -> float:
    return max(path.stat().st_mtime for path in (run, run / CONFIG_FILE))


def _same(path: Path, other: Path) -> bool:
    return other.exists() and path.samefile(other)
