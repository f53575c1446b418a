"""A run and its checkpoints: written atomically, read verified, as arrays and JSON.

The manifest, written last, holds the size and the SHA-256 of the other files and of config.json,
and its own digest: a folder whose manifest does not hold is not a checkpoint.
"""

import dataclasses
import re
import warnings
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from charrnn.config.checks import Range, check_value
from charrnn.config.model import ModelConfig
from charrnn.config.text import TextConfig
from charrnn.config.training import ResolvedTrainConfig
from charrnn.data.corpus_record import CorpusRecord
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import CheckpointError, ConfigError, DamagedCheckpointWarning, VocabularyError
from charrnn.files import replace_file
from charrnn.runs import manifest as manifests
from charrnn.runs import saving
from charrnn.runs.checkpoint import Checkpoint, Part
from charrnn.runs.layout import (
    CONFIG_FILE,
    FORMAT,
    MANIFEST_FILE,
    MAX_OVERHEAD_BYTES,
    MODEL_FILE,
    STATE_FILE,
    TRAINER_FILE,
    RunFolder,
)
from charrnn.runs.manifest import MAX_JSON_BYTES, FileRecord, read_json, to_json_bytes
from charrnn.runs.run_config import Origin, RunConfig
from charrnn.version import __version__

_FILES = (MODEL_FILE, TRAINER_FILE, STATE_FILE)
_STEP_FOLDER = re.compile(r"(?:\.replaced-)?step-(\d{8,})")
_DEFAULTS_FOR_OLD_RUNS = {"loss_temperature": 1.0}
"""Settings that older runs do not name, as they were then. A setting needs an entry if its default
has changed since it was added, or if `ResolvedTrainConfig` has no default for it."""
_KEPT = 2  # newest checkpoints that are never pruned, beside the best
_LOOKS = 10  # at a run whose checkpoints are pruned while one is being read
_ROOM = 3  # checkpoints that must have room when a run begins: those kept and one being written


@dataclass(frozen=True)
class Run(RunFolder):
    """A run folder and the checkpoints it holds."""

    def lock_for_writing(self) -> AbstractContextManager[None]:
        """Keep other processes from writing to this run; raise `CheckpointError` if one does."""
        return saving.lock_for_writing(self.path)

    def create(self) -> None:
        """Make the run's folder; refuse one that holds a run already, and a disk without room."""
        if (self.path / CONFIG_FILE).exists():
            raise CheckpointError(
                f"{self.path} already holds a run: go on with it by `charrnn resume {self.path}`, "
                "give another folder with --out-dir, or remove this one"
            )
        record = {
            "format": FORMAT,
            "charrnn": __version__,
            **dataclasses.asdict(self.config),
        }
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            needed = _ROOM * (self.checkpoint_bytes + MAX_OVERHEAD_BYTES)
            saving.check_free_space(self.path, needed, "the run cannot be kept")
            replace_file(self.path / CONFIG_FILE, to_json_bytes(record), synced=True)
        except OSError as error:
            raise CheckpointError(
                f"the run folder {self.path} cannot be made ({error.strerror}): give another one "
                "with --out-dir"
            ) from None

    @classmethod
    def open(cls, path: Path) -> "Run":
        """Open the run folder at `path`; raise `CheckpointError` if it is not one."""
        try:
            data = manifests.read_file(path / CONFIG_FILE, MAX_JSON_BYTES)
        except CheckpointError as error:
            raise CheckpointError(
                f"{path} is not a run: {error}; `charrnn list` shows the runs there are"
            ) from None
        record = read_json(path / CONFIG_FILE, data)
        try:
            if record["format"] > FORMAT:
                raise CheckpointError(
                    f"{path} has the format number {record['format']}, and this charrnn "
                    f"({__version__}) reads up to {FORMAT}: install a newer charrnn"
                )
            Vocabulary(record["vocabulary"])  # each a character, and each once
            config = RunConfig(
                model=ModelConfig(**record["model"]),
                training=ResolvedTrainConfig(**{**_DEFAULTS_FOR_OLD_RUNS, **record["training"]}),
                vocabulary=tuple(record["vocabulary"]),
                corpus=CorpusRecord.from_json(record["corpus"]),
                text=TextConfig(**record.get("text", {})),
                init_from=Origin(**record["init_from"]) if record["init_from"] else None,
                baseline=record.get("baseline"),
            )
        except (
            *(ValueError, KeyError, TypeError, AttributeError),
            *(ConfigError, VocabularyError),
        ) as error:
            raise CheckpointError(f"{path / CONFIG_FILE} is damaged: {error!s}") from None
        return cls(path, config)

    def checkpoints(self) -> list[Checkpoint]:
        """Return the checkpoints whose manifest holds, oldest first."""
        return self.scan_checkpoints()[0]

    def scan_checkpoints(self) -> tuple[list[Checkpoint], dict[int, Path]]:
        """Return the checkpoints, oldest first, and the folders whose manifest does not hold."""
        for _ in range(_LOOKS):
            found, broken, pruned = self._scan_once()
            if found or broken or not pruned:
                break
        return sorted(found, key=lambda checkpoint: checkpoint.step), broken

    def _scan_once(self) -> tuple[list[Checkpoint], dict[int, Path], bool]:
        """Look at the folders of steps; say whether some were pruned before they were read."""
        config_record = manifests.file_record(
            manifests.read_file(self.path / CONFIG_FILE, MAX_JSON_BYTES)
        )
        found, broken, folders = [], dict[int, Path](), dict[int, Path]()
        for folder in sorted(self.path.iterdir()):  # one being replaced before what replaces it
            if match := _STEP_FOLDER.fullmatch(folder.name):
                folders[int(match[1])] = folder
        for step, folder in folders.items():
            if sound := _read_records(folder, config_record):
                found.append(Checkpoint(self, step, folder, *sound))
            elif folder.exists():
                broken[step] = folder
        return found, broken, len(found) + len(broken) < len(folders)

    def select(self, name: str = "best", parts: Iterable[Part] = ("model",)) -> Checkpoint:
        """Return the checkpoint called `best`, `last` (the newest) or `step-N`, its `parts` read.

        One that is damaged is passed over with a `DamagedCheckpointWarning`, and the next best or
        the next newest is taken; one asked for by its step raises `CheckpointError`.
        """
        parts = tuple(parts)
        for _ in range(_LOOKS):
            found, broken = self.scan_checkpoints()
            self._check_any(found, broken)
            if name not in ("best", "last"):
                chosen = self._at(name, found)
                chosen.verify(parts)
                return chosen
            passed_over = []
            for chosen in _by_loss(found) if name == "best" else found[::-1]:
                try:
                    chosen.verify(parts)
                except CheckpointError as error:
                    if not chosen.path.exists():  # pruned meanwhile: look again
                        break
                    passed_over.append(str(error))
                    continue
                passed_over += [
                    f"{folder} is damaged or not whole"
                    for step, folder in broken.items()
                    if name == "best" or step > chosen.step
                ]
                for each in passed_over:
                    sentence = f"{each}; {chosen.path.name} is used in its place"
                    warnings.warn(sentence, DamagedCheckpointWarning, stacklevel=2)
                return chosen
            else:
                raise CheckpointError(f"no checkpoint in {self.path} is sound: {passed_over[-1]}")
        raise CheckpointError(f"{self.path} changes while it is read: try again")

    def _check_any(self, found: list[Checkpoint], broken: dict[int, Path]) -> None:
        if not found and broken:
            raise CheckpointError(
                f"no checkpoint in {self.path} is whole and fits its {CONFIG_FILE}: one or the "
                "other was changed or damaged; bring back the files as they were"
            )
        if not found:
            raise CheckpointError(
                f"{self.path} holds no complete checkpoint: it was stopped before its first save; "
                "train it anew"
            )

    def _at(self, name: str, found: list[Checkpoint]) -> Checkpoint:
        steps = {f"step-{each.step}": each for each in found}
        wanted = re.sub(r"^step-0+(?=\d)", "step-", name)
        if wanted not in steps:
            raise CheckpointError(
                f"{self.path} has no checkpoint {name}: choose best, last, {', '.join(steps)}"
            )
        return steps[wanted]

    def save(
        self,
        step: int,
        model: Mapping[str, NDArray[Any]],
        trainer: Mapping[str, NDArray[Any]],
        state: Mapping[str, Any],
    ) -> Checkpoint:
        """Write a checkpoint whole or not at all, then remove those no longer needed.

        A checkpoint already there for the same step is replaced.
        """
        contents = {
            MODEL_FILE: safetensors.numpy.save(dict(model)),
            TRAINER_FILE: safetensors.numpy.save(dict(trainer)),
            STATE_FILE: to_json_bytes(state),
        }
        manifest = manifests.with_digest(
            {
                "format": FORMAT,
                "files": {name: manifests.file_record(data) for name, data in contents.items()},
                "config": manifests.file_record(
                    manifests.read_file(self.path / CONFIG_FILE, MAX_JSON_BYTES)
                ),
            }
        )
        folder = self.step_folder(step)
        saving.save_checkpoint(
            folder, {**contents, MANIFEST_FILE: to_json_bytes(manifest)}, f"step {step:,}"
        )
        self._prune()
        return Checkpoint(self, step, folder, manifest, dict(state))

    def _prune(self) -> None:
        """Remove all but the best, the newest and the one that training can step back to."""
        found = self.checkpoints()
        kept = [*found[-_KEPT:], *_by_loss(found)[:1], *self.rollback_points(found)[-1:]]
        saving.remove_checkpoints(old.path for old in found if old not in kept)

    def remove_checkpoints_after(self, step: int) -> None:
        """Remove the checkpoints of later steps, which training has stepped back from."""
        saving.remove_checkpoints(each.path for each in self.checkpoints() if each.step > step)

    @staticmethod
    def rollback_points(checkpoints: list[Checkpoint]) -> list[Checkpoint]:
        """Return the checkpoints that training can return to after divergence.

        They are the one at the start and the evaluated ones: these do not depend on when a run
        was stopped, so neither does its result.
        """
        return [
            checkpoint
            for checkpoint in checkpoints
            if checkpoint.val_loss is not None or checkpoint.step == 0
        ]


def _by_loss(checkpoints: list[Checkpoint]) -> list[Checkpoint]:
    """Return them best first: by the held-out loss on the text in force, the others after those."""
    text = checkpoints[-1].state.get("corpus") if checkpoints else None

    def order(checkpoint: Checkpoint) -> tuple[bool, float, int]:
        loss = checkpoint.val_loss
        judged = loss is not None and checkpoint.state.get("corpus") == text
        return not judged, loss if judged and loss is not None else 0.0, -checkpoint.step

    return sorted(checkpoints, key=order)


def _read_records(
    folder: Path, config_record: FileRecord
) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return manifest and state if they are whole and fit the files beside them and config.json."""
    try:
        if folder.is_symlink():
            return None
        data = manifests.read_file(folder / MANIFEST_FILE, MAX_OVERHEAD_BYTES)
        manifest = read_json(folder / MANIFEST_FILE, data)
        sizes = {name: (folder / name).lstat().st_size for name in _FILES}
        holds = (
            manifests.has_valid_digest(manifest, data)
            and manifest["config"] == config_record
            and all(set(each) == {"size", "sha256"} for each in manifest["files"].values())
            and sizes == {name: record["size"] for name, record in manifest["files"].items()}
        )
        if not holds:
            return None
        path = folder / STATE_FILE
        state = read_json(
            path, manifests.read_verified(path, manifest["files"][STATE_FILE], MAX_OVERHEAD_BYTES)
        )
        check_value("val_loss", state["val_loss"], float | None, Range(0, 1e15))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    except (CheckpointError, ConfigError):
        return None
    return manifest, state
