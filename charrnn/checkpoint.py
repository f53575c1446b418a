"""A run folder on disk: written atomically, read verified, as arrays and JSON.

    RUN/config.json
    RUN/metrics.jsonl
    RUN/step-00001000/   model.safetensors  trainer.safetensors  state.json  manifest.json

The manifest, written last, holds the size and the SHA-256 of the other files and of config.json,
and its own digest: a folder whose manifest does not hold is not a checkpoint.
"""

import dataclasses
import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

import charrnn
from charrnn.config import CorpusRecord, ModelConfig, Origin, RunConfig, TextConfig, TrainConfig
from charrnn.errors import CheckpointError, ConfigError

FORMAT = 1
CONFIG_FILE = "config.json"

_MANIFEST, _STATE = "manifest.json", "state.json"
_FILES = ("model.safetensors", "trainer.safetensors", _STATE)
_STEP_FOLDER = re.compile(r"step-(\d{8,})")
_REPLACED = ".replaced-"
_KEPT = 2  # newest checkpoints that are never pruned, beside the best


@dataclass(frozen=True)
class Checkpoint:
    """One saved step of a run, whose manifest holds."""

    run: "Run"
    step: int
    path: Path
    manifest: dict[str, Any]

    @cached_property
    def state(self) -> dict[str, Any]:
        """What training knew at this step: see `charrnn.progress.Progress`."""
        state: dict[str, Any] = json.loads(self._read(_STATE))
        return state

    @property
    def val_loss(self) -> float | None:
        """The loss on the held-out text at this step, in nats; None if it was not evaluated."""
        loss: float | None = self.state["val_loss"]
        return loss

    def load(self, part: Literal["model", "trainer"]) -> dict[str, NDArray[Any]]:
        """Return the arrays of `model` (averaged weights) or `trainer` (all the rest), verified.

        What is kept in 16 bits is returned in 32.
        """
        try:
            arrays = safetensors.numpy.load(self._read(f"{part}.safetensors"))
        except safetensors.SafetensorError as error:
            raise CheckpointError(f"{self.path / part} is damaged: {error}") from None
        return {
            name: array.astype(np.float32) if array.dtype == np.float16 else array
            for name, array in arrays.items()
        }

    @property
    def origin(self) -> Origin:
        """What a run that starts from this checkpoint remembers of it."""
        digest = self.manifest["files"]["model.safetensors"]["sha256"]
        return Origin(path=str(self.path), sha256=digest)

    def _read(self, name: str) -> bytes:
        return _read_verified(self.path / name, self.manifest["files"][name])


@dataclass(frozen=True)
class Run:
    """A run folder: what it is, and the checkpoints it holds."""

    path: Path
    config: RunConfig

    def create(self) -> None:
        """Make the run's folder; refuse one that holds a run already."""
        if (self.path / CONFIG_FILE).exists():
            raise CheckpointError(
                f"{self.path} already holds a run: go on with it by `charrnn resume {self.path}`, "
                "give another folder with --out-dir, or remove this one"
            )
        record = {
            "format": FORMAT,
            "charrnn": charrnn.__version__,
            **dataclasses.asdict(self.config),
        }
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            _write(self.path / CONFIG_FILE, _json(record))
        except OSError as error:
            raise CheckpointError(
                f"the run folder {self.path} cannot be made ({error.strerror}): give another one "
                "with --out-dir"
            ) from None

    @classmethod
    def open(cls, path: Path) -> "Run":
        """Open the run folder at `path`; raise `CheckpointError` if it is not one."""
        try:
            record = json.loads((path / CONFIG_FILE).read_bytes())
            if record["format"] > FORMAT:
                raise CheckpointError(
                    f"{path} has the format number {record['format']}, and this charrnn "
                    f"({charrnn.__version__}) reads up to {FORMAT}: install a newer charrnn"
                )
            config = RunConfig(
                model=ModelConfig(**record["model"]),
                training=TrainConfig(**record["training"]),
                vocabulary=tuple(record["vocabulary"]),
                corpus=CorpusRecord.of(record["corpus"]),
                text=TextConfig(**record.get("text", {})),
                init_from=Origin(**record["init_from"]) if record["init_from"] else None,
                baseline=record.get("baseline"),
            )
        except OSError as error:
            raise CheckpointError(
                f"{path} is not a run: its {CONFIG_FILE} cannot be read ({error.strerror}); "
                "`charrnn list` shows the runs there are"
            ) from None
        except (ValueError, KeyError, TypeError, ConfigError) as error:
            raise CheckpointError(f"{path / CONFIG_FILE} is damaged: {error!s}") from None
        return cls(path, config)

    @property
    def metrics_path(self) -> Path:
        """The file of the run's curves: see `charrnn.metrics`."""
        return self.path / "metrics.jsonl"

    def checkpoints(self) -> list[Checkpoint]:
        """Return the checkpoints whose manifest holds, oldest first."""
        config_entry = _entry((self.path / CONFIG_FILE).read_bytes())
        found = []
        for folder in self.path.iterdir():
            match = _STEP_FOLDER.fullmatch(folder.name)
            manifest = _read_manifest(folder, config_entry) if match else None
            if match and manifest:
                found.append(Checkpoint(self, int(match[1]), folder, manifest))
        return sorted(found, key=lambda checkpoint: checkpoint.step)

    def select(self, name: str = "best") -> Checkpoint:
        """Return the checkpoint called `best`, `last` (the newest) or `step-N`."""
        found = self.checkpoints()
        if not found and any(self.path.glob("step-*")):
            raise CheckpointError(
                f"no checkpoint in {self.path} is whole and fits its {CONFIG_FILE}: one or the "
                "other was changed or damaged; bring back the files as they were"
            )
        if not found:
            raise CheckpointError(
                f"{self.path} holds no complete checkpoint: it was stopped before its first save; "
                "train it anew"
            )
        if name == "best":
            return _best(found)
        if name == "last":
            return found[-1]
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
            "model.safetensors": safetensors.numpy.save(dict(model)),
            "trainer.safetensors": safetensors.numpy.save(dict(trainer)),
            _STATE: _json(state),
        }
        manifest = {
            "format": FORMAT,
            "files": {name: _entry(data) for name, data in contents.items()},
            "config": _entry((self.path / CONFIG_FILE).read_bytes()),
        }
        manifest["digest"] = _digest(manifest)
        folder = self.path / f"step-{step:08d}"
        temporary, replaced = self.path / ".saving", self.path / f"{_REPLACED}{folder.name}"
        self._clear_away()
        try:
            temporary.mkdir()
            for name, data in contents.items():
                _write(temporary / name, data)
            _write(temporary / _MANIFEST, _json(manifest))
            _sync_folder(temporary)
            if folder.exists():
                folder.rename(replaced)
            temporary.rename(folder)
            _sync_folder(self.path)
        except OSError as error:
            raise CheckpointError(
                f"step {step:,} could not be saved in {self.path} ({error.strerror}): make room or "
                "mend the disk, then `charrnn resume`; the checkpoints saved before are intact"
            ) from None
        finally:
            self._clear_away()
        self._prune()
        return Checkpoint(self, step, folder, manifest)

    def _clear_away(self) -> None:
        """Remove what a save leaves when it fails; what it was about to replace comes back."""
        shutil.rmtree(self.path / ".saving", ignore_errors=True)
        for replaced in self.path.glob(f"{_REPLACED}*"):
            folder = self.path / replaced.name.removeprefix(_REPLACED)
            if folder.exists():
                shutil.rmtree(replaced, ignore_errors=True)
            else:
                replaced.rename(folder)

    def _prune(self) -> None:
        found = self.checkpoints()
        best = _best(found)
        for old in found[:-_KEPT]:
            if old != best:
                shutil.rmtree(old.path, ignore_errors=True)


def _best(checkpoints: list[Checkpoint]) -> Checkpoint:
    """Return the one with the lowest held-out loss on the text in force, else the newest."""
    text = checkpoints[-1].state.get("corpus")
    judged = [
        each
        for each in checkpoints
        if each.val_loss is not None and each.state.get("corpus") == text
    ]
    return min(judged, key=lambda each: each.val_loss or 0.0) if judged else checkpoints[-1]


def _read_manifest(folder: Path, config_entry: dict[str, Any]) -> dict[str, Any] | None:
    """Return the manifest if it is whole and fits the files beside it and config.json."""
    try:
        data = (folder / _MANIFEST).read_bytes()
        manifest: dict[str, Any] = json.loads(data)
        body = {key: value for key, value in manifest.items() if key != "digest"}
        sizes = {name: (folder / name).stat().st_size for name in _FILES}
        holds = (
            data == _json(manifest)
            and manifest["digest"] == _digest(body)
            and manifest["config"] == config_entry
            and sizes == {name: entry["size"] for name, entry in manifest["files"].items()}
        )
        if holds:
            _read_verified(folder / _STATE, manifest["files"][_STATE])
    except (OSError, ValueError, KeyError, TypeError, CheckpointError):
        return None
    return manifest if holds else None


def _read_verified(path: Path, entry: dict[str, Any]) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror})") from None
    if _entry(data) != entry:
        raise CheckpointError(
            f"{path} is damaged: expected SHA-256 {entry['sha256']}, found "
            f"{_entry(data)['sha256']}; remove its folder, so that an older checkpoint is used"
        )
    return data


def _entry(data: bytes) -> dict[str, Any]:
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _digest(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _json(record: Mapping[str, Any]) -> bytes:
    text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    return text.encode("utf-8", "surrogatepass")  # a file name can be any bytes


def _write(path: Path, data: bytes) -> None:
    """Write a file that is on the disk, not only in its cache, when this returns."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    if os.name == "nt":  # Windows cannot open a folder
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
