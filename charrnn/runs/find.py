"""Find runs: by folder, by name under `checkpoints/`, the bundled model, or a model file."""

import difflib
import re
from pathlib import Path

from charrnn.data.folders import is_run
from charrnn.errors import CheckpointError
from charrnn.files import expand_path, installed_folder, quote_path
from charrnn.runs.file_run import FileRun
from charrnn.runs.hub import PREFIX, download_model, parse_hub_name
from charrnn.runs.layout import CONFIG_FILE, STEP_FOLDERS
from charrnn.runs.model_file import SUFFIX
from charrnn.runs.run import Run

RUNS_FOLDER = Path("checkpoints")
BUNDLED = "bard"


def find_run(name: str | None, allow_bundled: bool = True) -> Run:
    """Open a run by its folder, its name under `checkpoints/`, a model file or `hf:owner/name`.

    None: the newest run under `checkpoints/`. If there is no run, open the bundled model, `bard`,
    if `allow_bundled` is true. Raises `CheckpointError`.
    """
    if name is not None and name.startswith(PREFIX):
        return _open_from_hub(name)
    if name is not None:
        return open_run_at(_find_path(name))
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
        f"there is no run in the folder {RUNS_FOLDER} yet", "start one with `charrnn train`"
    )


def _open_from_hub(name: str) -> Run:
    repository, _ = parse_hub_name(name)
    return FileRun.open(download_model(name), label=repository.partition("/")[2])


def open_run_at(path: Path) -> Run:
    """Open a run folder or a model file; raise `CheckpointError`."""
    return FileRun.open(path) if path.is_file() else Run.open(path)


def open_if_run(name: str) -> Run | None:
    """Open the run that an argument names; return None for a text file and for `-`.

    Raises `CheckpointError` for an unknown name, another folder and a file inside a run.
    """
    if name.startswith(PREFIX):
        return _open_from_hub(name)
    path = expand_path(name)
    if path.is_file() and path.suffix.lower() != SUFFIX and _run_around(path) is None:
        return None
    if path.exists() or _named_run(name):
        return find_run(name)
    if name == "-":
        return None
    raise _unknown_run_error(name, f"there is no run and no file {name}")


def _find_path(name: str) -> Path:
    """Return the folder or file of the run `name`; raise `CheckpointError` if there is none."""
    if run := _named_run(name):
        return run
    path = expand_path(name)
    if run := _run_around(path):
        raise _inside_run_error(path, run)
    if path.is_file() and path.suffix.lower() == SUFFIX:
        return path
    if path.is_file():
        raise CheckpointError(
            f"{name} is a file, not a run",
            f"train a model on it with `charrnn train {quote_path(name)}`",
            f"continue its text with --prompt-file {quote_path(name)}",
            f"read it with --text {quote_path(name)}",
        )
    if path.is_dir():
        raise CheckpointError(
            f"the folder {name} is not a run: it contains no {CONFIG_FILE}",
            "choose one of the runs that `charrnn list` shows",
        )
    raise _unknown_run_error(name, f"there is no run {name} or {RUNS_FOLDER / name}")


def _unknown_run_error(name: str, problem: str) -> CheckpointError:
    """Return the error for a name that no run has; it suggests similar names."""
    known = [*(path.name for path in run_paths()), BUNDLED]
    similar = difflib.get_close_matches(Path(name).name, known)
    return CheckpointError(
        f"{problem} (did you mean {' or '.join(similar)}?)" if similar else problem,
        "choose one of the runs that `charrnn list` shows",
        "start one with `charrnn train`",
    )


def _named_run(name: str) -> Path | None:
    """Return the run folder with this path or name; None if there is none."""
    candidates = [expand_path(name), RUNS_FOLDER / name]
    if name == BUNDLED:
        candidates.append(bundled_path())
    return next((path for path in candidates if (path / CONFIG_FILE).is_file()), None)


def _run_around(path: Path) -> Path | None:
    """Return the run that contains a step folder or a file; None if no run contains it."""
    parents = [parent for parent in list(path.parents)[:2] if is_run(parent)]
    return parents[0] if parents and path.exists() else None


def _inside_run_error(path: Path, run: Path) -> CheckpointError:
    inside = path.relative_to(run)
    step = re.fullmatch(r"step-0*(\d+)", inside.parts[0])
    if not step:
        return CheckpointError(f"{path} belongs to a run, but is not one", f"give the run {run}")
    return CheckpointError(
        f"{path} belongs to a checkpoint, but is not a run"
        if len(inside.parts) > 1
        else f"{path} is a checkpoint, not a run",
        f"give the run {run} with --checkpoint step-{step[1]}",
        f"give the run {run}",
    )


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
