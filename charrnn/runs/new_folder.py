"""Reserves a folder for a new run, so that several processes can start at the same moment."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from charrnn.errors import CheckpointError
from charrnn.files import make_folder
from charrnn.runs.find import RUNS_FOLDER, unused_run_path

_MAX_ATTEMPTS = 1000  # each fails only if another process creates or removes a folder meanwhile


@contextlib.contextmanager
def reserve_run_folder(name: str, folder: Path = RUNS_FOLDER) -> Iterator[Path]:
    """Create a folder with an unused name in a block; see `unused_run_path`.

    If it is empty at the end of the block, it is removed. Raises `CheckpointError` if no folder can
    be created.
    """
    is_new_parent = not folder.exists()
    path = _create_folder(name, folder)
    try:
        yield path
    finally:
        with contextlib.suppress(OSError):  # a folder with a run is not empty
            path.rmdir()
        if is_new_parent:
            with contextlib.suppress(OSError):
                folder.rmdir()


def _create_folder(name: str, folder: Path) -> Path:
    for _ in range(_MAX_ATTEMPTS):
        path = unused_run_path(name, folder)
        try:
            make_folder(path, exist_ok=False)
        except (FileExistsError, FileNotFoundError):
            continue
        except OSError as error:
            raise CheckpointError(
                f"the run folder {path} cannot be created ({error.strerror})",
                "give another folder with --out-dir",
            ) from None
        return path
    raise CheckpointError(
        f"no folder for the run {name} can be created in {folder}",
        "give another folder with --out-dir",
    )
