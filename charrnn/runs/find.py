"""Find runs: by folder, by name under `checkpoints/`, or the bundled model."""

from pathlib import Path

from charrnn.errors import CheckpointError
from charrnn.files import installed_folder
from charrnn.runs.layout import CONFIG_FILE, STEP_FOLDERS
from charrnn.runs.run import Run

RUNS_FOLDER = Path("checkpoints")
BUNDLED = "bard"


def find_run(name: str | None, allow_bundled: bool = True) -> Run:
    """Open a run by its folder or its name under `checkpoints/`; None: the newest run there.

    If there is no run, open the bundled model, `bard`, if `allow_bundled` is true. Raises
    `CheckpointError`.
    """
    if name is not None:
        paths = [Path(name), RUNS_FOLDER / name]
        candidates = [*paths, bundled_path()] if name == BUNDLED else paths
        path = next((path for path in candidates if (path / CONFIG_FILE).is_file()), None)
        if path is None:
            raise CheckpointError(
                f"there is no run {name} or {paths[1]}: `charrnn list` shows your runs, "
                "`charrnn train` starts a new one"
            )
        return Run.open(path)
    bundled = bundled_path()
    saved_runs = [
        path
        for path in run_paths()
        if any(path.glob(STEP_FOLDERS)) and not _is_same_folder(path, bundled)
    ]
    if saved_runs:
        return Run.open(max(saved_runs, key=_modification_time))
    if allow_bundled and (bundled / CONFIG_FILE).is_file():
        return Run.open(bundled)
    raise CheckpointError(
        f"there is no run in the folder {RUNS_FOLDER} yet: start one with `charrnn train`"
    )


def open_if_run(name: str) -> Run | None:
    """Open the run that an argument names; return None for a file or an unknown name."""
    if Path(name).is_file():
        return None
    try:
        return find_run(name)
    except CheckpointError:
        return None


def bundled_path() -> Path:
    """Return the folder of the bundled model, which comes with charrnn."""
    return installed_folder(str(RUNS_FOLDER)) / BUNDLED


def run_paths(folder: Path = RUNS_FOLDER) -> list[Path]:
    """Return the run folders in `folder`, sorted by name."""
    return sorted(config.parent for config in folder.glob(f"*/{CONFIG_FILE}"))


def unused_run_path(name: str, folder: Path = RUNS_FOLDER) -> Path:
    """Return a path that does not exist yet: `name`, else `name-2`, `name-3`, ..."""
    path, number = folder / name, 1
    while path.exists() or path.is_symlink():
        number += 1
        path = folder / f"{name}-{number}"
    return path


def _modification_time(run: Path) -> float:
    return max(path.stat().st_mtime for path in (run, run / CONFIG_FILE))


def _is_same_folder(path: Path, other: Path) -> bool:
    return other.exists() and path.samefile(other)
