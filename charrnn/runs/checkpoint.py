"""A checkpoint: one saved step of a run, whose files are verified when they are read."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from charrnn.config.checks import Range, check_value
from charrnn.errors import CheckpointError, ConfigError
from charrnn.runs import manifest as manifests
from charrnn.runs.compatibility import FORMAT, make_unknown_error, read_version
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
from charrnn.runs.manifest import FileRecord, read_json
from charrnn.runs.run_config import Origin
from charrnn.version import __version__

_MAX_EMPTY_FILE_BYTES = 64  # size of a safetensors file without arrays

Part = Literal["model", "trainer"]

_FILES: dict[Part, str] = {"model": MODEL_FILE, "trainer": TRAINER_FILE}
_MANIFEST_KEYS = {"format", "charrnn", "files", "config", "digest", GRADIENT_SQUARES}


@dataclass(frozen=True)
class Checkpoint:
    """One saved step of a run, whose manifest is valid."""

    run: RunFolder
    step: int
    path: Path
    manifest: dict[str, Any]
    state: dict[str, Any]
    """The progress of training at this step: see `charrnn.runs.progress.Progress`."""
    _contents: dict[str, bytes] = dataclasses.field(default_factory=dict, repr=False, compare=False)

    @property
    def version(self) -> str | None:
        """The version of charrnn that wrote it; None if it is not known.

        Checkpoints of charrnn 0.1.0 do not name it, but it is the version of their run.
        """
        return read_version(self.manifest) or self.run.config.version

    @property
    def val_loss(self) -> float | None:
        """The held-out loss at this step, in nats per character; None if it was not evaluated."""
        loss: float | None = self.state["val_loss"]
        return loss

    def verify(self, parts: Iterable[Part] = ("model", "trainer")) -> None:
        """Read these files and keep them for `load`; raise `CheckpointError` if one is damaged.

        The gradient squares belong to the model.
        """
        names = [_FILES[part] for part in parts]
        if MODEL_FILE in names and GRADIENT_SQUARES in self.manifest:
            names.append(GRADIENT_SQUARES_FILE)
        for name in names:
            self._contents[name] = self._read(name)

    def load(self, part: Part) -> dict[str, NDArray[Any]]:
        """Verify and return the arrays of `model` (averaged weights) or `trainer` (all others).

        Arrays of float16 are converted to float32.
        """
        name = _FILES[part]
        arrays = self._load(name)
        if part == "model":
            config = self.run.config
            expected = config.model.parameter_shapes(len(config.vocabulary))
            actual = {name: array.shape for name, array in arrays.items()}
            if actual != expected:
                parameter = min(set(actual.items()) ^ set(expected.items()))[0]
                raise CheckpointError(
                    f"{self.locate(name)} does not fit the network that {CONFIG_FILE} describes: "
                    f"{parameter[:40]} should have the shape {expected.get(parameter)}, not "
                    f"{actual.get(parameter)}"
                )
        return {
            name: array.astype(np.float32) if array.dtype == np.float16 else array
            for name, array in arrays.items()
        }

    def load_gradient_squares(self) -> dict[str, NDArray[Any]] | None:
        """Verify and return the arrays of `GradientSquares`; None if the checkpoint has none."""
        if GRADIENT_SQUARES not in self.manifest:
            return None
        return self._load(GRADIENT_SQUARES_FILE)

    @property
    def weights_only(self) -> bool:
        """Whether the arrays that are needed to resume training are missing."""
        size: int = self.manifest["files"][TRAINER_FILE]["size"]
        return size <= _MAX_EMPTY_FILE_BYTES

    @property
    def origin(self) -> Origin:
        """The path and SHA-256 that a run stores if it starts from this checkpoint."""
        digest = self.manifest["files"][MODEL_FILE]["sha256"]
        return Origin(path=str(self.path), sha256=digest)

    @property
    def records(self) -> dict[str, FileRecord]:
        """The size and the SHA-256 of each file except the manifest."""
        records: dict[str, FileRecord] = dict(self.manifest["files"])
        if GRADIENT_SQUARES in self.manifest:
            records[GRADIENT_SQUARES_FILE] = self.manifest[GRADIENT_SQUARES]
        return records

    @property
    def num_bytes(self) -> int:
        """The size of its files."""
        return sum(record["size"] for record in self.records.values())

    def describe_unverified(self) -> str | None:
        """Return what cannot be verified, None if nothing."""
        unknown = sorted(self.manifest.keys() - _MANIFEST_KEYS)
        if not unknown:
            return None
        names = ", ".join(repr(name[:40]) for name in unknown)
        return f"intact, but charrnn {__version__} does not know {names} in {MANIFEST_FILE}"

    def locate(self, name: str) -> Path:
        """Return the path of a file of the checkpoint."""
        return self.path / name

    def _load(self, name: str) -> dict[str, NDArray[Any]]:
        """Verify a file and return its arrays, or use its bytes that `verify` has kept."""
        data = self._contents.pop(name, None) or self._read(name)
        try:
            return safetensors.numpy.load(data)
        except (safetensors.SafetensorError, ValueError, KeyError) as error:
            raise CheckpointError(f"{self.locate(name)} is damaged: {error}") from None

    def _read(self, name: str) -> bytes:
        """Read a file and compare it with the manifest; raise `CheckpointError` if it differs."""
        smallest, largest = self._size_limits(name)
        expected = self.records[name]
        if not smallest <= expected["size"] <= largest:
            raise CheckpointError(
                f"{self.path / name} does not fit the network that {CONFIG_FILE} describes: it has "
                f"{expected['size']:,} bytes, but {smallest:,} to {largest:,} were expected"
            )
        return manifests.read_verified(self.path / name, expected, largest)

    def _size_limits(self, name: str) -> tuple[int, int]:
        """Return the smallest and the largest size, in bytes, that a file of this run may have."""
        config = self.run.config
        parameters = config.model.count_parameters(len(config.vocabulary))
        if name == GRADIENT_SQUARES_FILE:
            shapes = config.model.parameter_shapes(len(config.vocabulary)).values()
            size = 4 * sum(map(sum, shapes))
            return size, size + MAX_OVERHEAD_BYTES
        if name == MODEL_FILE:
            return 2 * parameters, 4 * parameters + MAX_OVERHEAD_BYTES
        if self.weights_only:
            return 0, _MAX_EMPTY_FILE_BYTES
        largest = self.run.checkpoint_bytes - 4 * parameters
        states_of_teachers = self.run.config.training.teachers * self.run.state_bytes
        return largest - states_of_teachers, largest + MAX_OVERHEAD_BYTES


def read_records(
    folder: Path, config_record: FileRecord
) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return the manifest and the state of a checkpoint.

    Returns None if one of them is invalid, or does not match the sizes of the files or config.json.
    Raises `CheckpointError` if the manifest has a format number or a file that is not known.
    """
    manifest = _read_manifest(folder, config_record)
    if manifest is None:
        return None
    _check_is_known(folder / MANIFEST_FILE, manifest)
    try:
        path = folder / STATE_FILE
        state = read_json(
            path, manifests.read_verified(path, manifest["files"][STATE_FILE], MAX_OVERHEAD_BYTES)
        )
        check_value("val_loss", state["val_loss"], float | None, Range(0, 1e15))
    except (OSError, ValueError, KeyError, TypeError, CheckpointError, ConfigError):
        return None
    return manifest, state


def _read_manifest(folder: Path, config_record: FileRecord) -> dict[str, Any] | None:
    """Return the manifest of a checkpoint; None if it is invalid, or does not match the files."""
    try:
        if folder.is_symlink():
            return None
        data = manifests.read_file(folder / MANIFEST_FILE, MAX_OVERHEAD_BYTES)
        manifest = read_json(folder / MANIFEST_FILE, data)
        records = {name: manifest["files"][name] for name in (*_FILES.values(), STATE_FILE)}
        if GRADIENT_SQUARES in manifest:
            records[GRADIENT_SQUARES_FILE] = manifest[GRADIENT_SQUARES]
        is_valid = (
            manifests.has_valid_digest(manifest, data)
            and manifest["config"] == config_record
            and all(set(record) == {"size", "sha256"} for record in records.values())
            and all((folder / name).lstat().st_size == records[name]["size"] for name in records)
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    except CheckpointError:
        return None
    return manifest if is_valid else None


def _check_is_known(path: Path, manifest: dict[str, Any]) -> None:
    """Raise `CheckpointError` if a manifest has a format number or a file that is not known."""
    number, problem = manifest.get("format"), None
    if isinstance(number, int) and number > FORMAT:
        problem = f"its format number, {number}, is not known"
    unknown = sorted(manifest["files"].keys() - {*_FILES.values(), STATE_FILE})
    if unknown:
        problem = f"the file {unknown[0][:40]!r} is not known"
    if problem:
        raise make_unknown_error(path, problem, read_version(manifest))
