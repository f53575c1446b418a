"""The runs that the server offers, by name. A request names a run and never a path."""

import threading
import time
from collections.abc import Sequence
from pathlib import Path

from charrnn.errors import CheckpointError, ConfigError
from charrnn.runs.find import (
    BUNDLED,
    RUNS_FOLDER,
    bundled_path,
    find_run,
    open_run_at,
    run_paths,
)
from charrnn.runs.layout import CONFIG_FILE
from charrnn.runs.run import Run
from charrnn.serve.api_errors import ApiError

_SCAN_SECONDS = 1.0  # between two scans of the folder of runs


class ServedRuns:
    """The folders and model files: those that were named, or all in checkpoints/, and bard.

    A teacher has the name of its run, a slash and the name of its folder.
    """

    def __init__(self, names: Sequence[str] = ()) -> None:
        """Raise `CheckpointError` for an unknown run, and `ConfigError` for equal names."""
        self._named: dict[str, Path] = {}
        for name in names:
            run = find_run(name)
            if run.name in self._named:
                raise ConfigError(f"two runs have the name {run.name}", "give one of them")
            self._named[run.name] = run.path.resolve()
        self._folder = RUNS_FOLDER.resolve()
        self._scanned: dict[str, Path] = {}
        self._next_scan = 0.0
        self._lock = threading.Lock()

    def paths(self) -> dict[str, Path]:
        """Return the folder or file of each run, by name; called in any thread."""
        with self._lock:
            if time.monotonic() >= self._next_scan:
                self._scanned = self._scan()
                self._next_scan = time.monotonic() + _SCAN_SECONDS
            return self._scanned

    def path(self, name: str) -> Path:
        """Return the folder or file of a run; raise `ApiError` if there is none of this name."""
        path = self.paths().get(name)
        if path is None:
            raise ApiError(
                404,
                f"there is no model {name[:80]!r}: GET /v1/models lists the models",
                param="model",
                code="model_not_found",
            )
        return path

    def open(self, name: str) -> Run:
        """Open a run by its name; raise `ApiError` if there is none, or if it is damaged."""
        try:
            return open_run_at(self.path(name))
        except CheckpointError:
            raise ApiError(500, f"the run {name} cannot be read: its files are damaged") from None

    def _scan(self) -> dict[str, Path]:
        runs = dict(self._named)
        if not runs:
            runs = {BUNDLED: bundled_path()}
            runs |= {path.name: path.resolve() for path in run_paths(self._folder)}
        runs = {
            name: path
            for name, path in runs.items()
            if path.is_file() or (path / CONFIG_FILE).is_file()
        }
        for name, path in list(runs.items()):
            for teacher in sorted(path.glob(f"teacher-*/{CONFIG_FILE}")):
                runs[f"{name}/{teacher.parent.name}"] = teacher.parent
        return runs
