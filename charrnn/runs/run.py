"""A run and its checkpoints, which are written atomically and verified when they are read.

The manifest of a checkpoint is written last. It contains the size and the SHA-256 of the other
files and of config.json, and its own digest. A folder without a valid manifest is not a checkpoint.
"""

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from charrnn.errors import CheckpointError, DamagedCheckpointWarning
from charrnn.files import make_folder, replace_file
from charrnn.runs import manifest as manifests
from charrnn.runs import saving
from charrnn.runs.checkpoint import Checkpoint, Part, read_records
from charrnn.runs.compatibility import FORMAT
from charrnn.runs.layout import (
    CONFIG_FILE,
    GRADIENT_SQUARES,
    GRADIENT_SQUARES_FILE,
    MANIFEST_FILE,
    MAX_OVERHEAD_BYTES,
    MODEL_FILE,
    STATE_FILE,
    TRAINER_FILE,
    RunFolder,
)
from charrnn.runs.manifest import MAX_JSON_BYTES, read_json, to_json_bytes
from charrnn.runs.run_config import config_to_record, parse_config
from charrnn.version import __version__

_STEP_FOLDER = re.compile(r"(?:\.replaced-)?step-(\d{8,})")
_NUM_NEWEST_TO_KEEP = 2  # newest checkpoints to keep, in addition to the best one
_MAX_SCANS = 10  # attempts to read a run while another process removes checkpoints
MAX_CHECKPOINTS = 5
"""The most checkpoints that a run has at once: the two newest ones, the best one, the last one that
training can return to after divergence, and one that is being written."""


@dataclass(frozen=True)
class Run(RunFolder):
    """A run folder with its checkpoints."""

    def lock_for_writing(self) -> AbstractContextManager[None]:
        """Lock the run in a block; raise `CheckpointError` if another process holds the lock."""
        return saving.lock_for_writing(self.path)

    def create(self) -> None:
        """Create the run folder and its config.json.

        Raises `CheckpointError` if the folder already contains files, or if the disk is too full.
        """
        saving.check_new_folder(self.path)
        try:
            make_folder(self.path)
            needed = MAX_CHECKPOINTS * (self.checkpoint_bytes + MAX_OVERHEAD_BYTES)
            saving.check_free_space(self.path, needed, "the run cannot be stored")
            replace_file(self.path / CONFIG_FILE, to_json_bytes(config_to_record(self.config)))
        except OSError as error:
            raise CheckpointError(
                f"the run folder {self.path} cannot be created ({error.strerror})",
                "check that you may write there",
                "give another folder with --out-dir",
            ) from None

    @classmethod
    def open(cls, path: Path) -> "Run":
        """Open the run folder at `path`; raise `CheckpointError` if it is not a run."""
        try:
            data = manifests.read_file(path / CONFIG_FILE, MAX_JSON_BYTES)
        except CheckpointError as error:
            raise CheckpointError(
                f"{path} is not a run: {error}",
                "choose one of the runs that `charrnn list` shows",
            ) from None
        config = parse_config(read_json(path / CONFIG_FILE, data), path / CONFIG_FILE)
        return cls(path, config)

    def checkpoints(self) -> list[Checkpoint]:
        """Return the checkpoints with a valid manifest, oldest first."""
        return self.scan_checkpoints()[0]

    def newest_version(self, checkpoints: Sequence[Checkpoint]) -> str | None:
        """Return the version of charrnn that wrote the last of `checkpoints`; None if unknown.

        If the run has no checkpoint yet, it is the version that made the run.
        """
        return checkpoints[-1].version if checkpoints else self.config.version

    def scan_checkpoints(self) -> tuple[list[Checkpoint], dict[int, Path]]:
        """Return the checkpoints, oldest first, and the step folders without a valid manifest.

        Raises `CheckpointError` if a newer version of charrnn wrote one that cannot be read.
        """
        for _ in range(_MAX_SCANS):
            checkpoints, damaged, was_pruned = self._scan_once()
            if checkpoints or damaged or not was_pruned:
                break
        return sorted(checkpoints, key=lambda checkpoint: checkpoint.step), damaged

    def _scan_once(self) -> tuple[list[Checkpoint], dict[int, Path], bool]:
        """Scan the step folders; also return whether some were removed before they were read."""
        config_record = manifests.file_record(
            manifests.read_file(self.path / CONFIG_FILE, MAX_JSON_BYTES)
        )
        checkpoints, damaged, folders = [], dict[int, Path](), dict[int, Path]()
        for folder in sorted(self.path.iterdir()):  # a replaced folder before the new one
            if match := _STEP_FOLDER.fullmatch(folder.name):
                folders[int(match[1])] = folder
        for step, folder in folders.items():
            if records := read_records(folder, config_record):
                checkpoints.append(Checkpoint(self, step, folder, *records))
            elif folder.exists():
                damaged[step] = folder
        return checkpoints, damaged, len(checkpoints) + len(damaged) < len(folders)

    def select(self, name: str = "best", parts: Iterable[Part] = ("model",)) -> Checkpoint:
        """Return the checkpoint `best`, `last` (the newest) or `step-N`, and verify its `parts`.

        If the best or newest checkpoint is damaged, the next one is returned, with a
        `DamagedCheckpointWarning`. A damaged `step-N` raises `CheckpointError`.
        """
        parts = tuple(parts)
        for _ in range(_MAX_SCANS):
            checkpoints, damaged = self.scan_checkpoints()
            self._require_checkpoint(checkpoints, damaged)
            if name not in ("best", "last"):
                checkpoint = self._find_step(name, checkpoints)
                checkpoint.verify(parts)
                return checkpoint
            problems = []
            for checkpoint in _sort_by_loss(checkpoints) if name == "best" else checkpoints[::-1]:
                try:
                    checkpoint.verify(parts)
                except CheckpointError as error:
                    if not checkpoint.path.exists():  # another process removed it: scan again
                        break
                    problems.append(str(error))
                    continue
                problems += [
                    f"{folder} is damaged or incomplete"
                    for step, folder in damaged.items()
                    if name == "best" or step > checkpoint.step
                ]
                for problem in problems:
                    message = f"{problem}; charrnn uses {checkpoint.path.name} instead"
                    warnings.warn(message, DamagedCheckpointWarning, stacklevel=2)
                return checkpoint
            else:
                raise CheckpointError(
                    f"all checkpoints in {self.path} are damaged ({problems[-1]})",
                    "restore the files from a backup",
                    "train a new run",
                )
        raise CheckpointError(f"{self.path} changed while charrnn read it", "try again")

    def _require_checkpoint(self, checkpoints: list[Checkpoint], damaged: dict[int, Path]) -> None:
        """Raise `CheckpointError` if there is no checkpoint."""
        if not checkpoints and damaged:
            raise CheckpointError(
                f"no checkpoint in {self.path} is complete and matches its {CONFIG_FILE}: a file "
                "was changed or damaged",
                "restore the original files",
                "train a new run",
            )
        if not checkpoints:
            raise CheckpointError(
                f"{self.path} contains no complete checkpoint: training stopped before the first "
                "save",
                "remove this folder and train again",
            )

    def _find_step(self, name: str, checkpoints: list[Checkpoint]) -> Checkpoint:
        steps = {f"step-{checkpoint.step}": checkpoint for checkpoint in checkpoints}
        step_name = re.sub(r"^step-0+(?=\d)", "step-", name)
        if step_name not in steps:
            raise CheckpointError(
                f"{self.path} has no checkpoint {name}",
                f"choose best, last, {', '.join(steps)}",
            )
        return steps[step_name]

    def save(
        self,
        step: int,
        model: Mapping[str, NDArray[Any]],
        trainer: Mapping[str, NDArray[Any]],
        state: Mapping[str, Any],
        gradient_squares: Mapping[str, NDArray[Any]] | None = None,
    ) -> Checkpoint:
        """Write a checkpoint atomically, then remove the checkpoints that are no longer needed.

        It replaces an existing checkpoint of the same step. The file of `gradient_squares` is not
        in the manifest's `files`, because charrnn 0.1.0 would not read the checkpoint then.
        """
        contents = {
            MODEL_FILE: safetensors.numpy.save(dict(model)),
            TRAINER_FILE: safetensors.numpy.save(dict(trainer)),
            STATE_FILE: to_json_bytes(state),
        }
        body = {
            "format": FORMAT,
            "charrnn": __version__,
            "files": {name: manifests.file_record(data) for name, data in contents.items()},
            "config": manifests.file_record(
                manifests.read_file(self.path / CONFIG_FILE, MAX_JSON_BYTES)
            ),
        }
        if gradient_squares is not None:
            contents[GRADIENT_SQUARES_FILE] = safetensors.numpy.save(dict(gradient_squares))
            body[GRADIENT_SQUARES] = manifests.file_record(contents[GRADIENT_SQUARES_FILE])
        manifest = manifests.with_digest(body)
        folder = self.step_folder(step)
        saving.save_checkpoint(
            folder, {**contents, MANIFEST_FILE: to_json_bytes(manifest)}, f"step {step:,}"
        )
        self._prune()
        return Checkpoint(self, step, folder, manifest, dict(state))

    def _prune(self) -> None:
        """Remove all checkpoints except the best, the newest and the last rollback point."""
        checkpoints = self.checkpoints()
        needed = [
            *checkpoints[-_NUM_NEWEST_TO_KEEP:],
            *_sort_by_loss(checkpoints)[:1],
            *self.rollback_points(checkpoints)[-1:],
        ]
        saving.remove_checkpoints(self.path, (old.path for old in checkpoints if old not in needed))

    def remove_checkpoints_after(self, step: int) -> None:
        """Remove the checkpoints of later steps, after training has rolled back to `step`."""
        later = [checkpoint for checkpoint in self.checkpoints() if checkpoint.step > step]
        saving.remove_checkpoints(self.path, (checkpoint.path for checkpoint in later))

    @staticmethod
    def rollback_points(checkpoints: list[Checkpoint]) -> list[Checkpoint]:
        """Return the checkpoints that training can return to after divergence.

        These are the checkpoint of step 0 and the evaluated ones. They are the same if a run is
        stopped and resumed, so the result of the run is the same too.
        """
        return [
            checkpoint
            for checkpoint in checkpoints
            if checkpoint.val_loss is not None
            or checkpoint.step in (0, checkpoint.state.get("evaluated_step"))
        ]


def _sort_by_loss(checkpoints: list[Checkpoint]) -> list[Checkpoint]:
    """Return the checkpoints in the order of their held-out loss on the current text.

    Checkpoints without such a loss come last, the newest first.
    """
    current_text = _recorded_text(checkpoints[-1]) if checkpoints else None

    def sort_key(checkpoint: Checkpoint) -> tuple[bool, float, int]:
        loss = checkpoint.val_loss
        if loss is None or _recorded_text(checkpoint) != current_text:
            return True, 0.0, -checkpoint.step
        return False, loss, -checkpoint.step

    return sorted(checkpoints, key=sort_key)


def _recorded_text(checkpoint: Checkpoint) -> tuple[Any, Any]:
    """Return the records of the current text and of how it is read; None: as in config.json."""
    return checkpoint.state.get("corpus"), checkpoint.state.get("text")
