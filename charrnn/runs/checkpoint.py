"""One saved step of a run: its files, verified when they are read."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from charrnn.errors import CheckpointError
from charrnn.runs import manifest as manifests
from charrnn.runs.layout import CONFIG_FILE, MAX_OVERHEAD_BYTES, MODEL_FILE, TRAINER_FILE, RunFolder
from charrnn.runs.run_config import Origin

_EMPTY = 64  # bytes: no more than the header of a file of arrays that holds none

Part = Literal["model", "trainer"]

_FILES: dict[Part, str] = {"model": MODEL_FILE, "trainer": TRAINER_FILE}


@dataclass(frozen=True)
class Checkpoint:
    """One saved step of a run, whose manifest holds."""

    run: RunFolder
    step: int
    path: Path
    manifest: dict[str, Any]
    state: dict[str, Any]
    """What training knew at this step: see `charrnn.runs.progress.Progress`."""
    _contents: dict[str, bytes] = dataclasses.field(default_factory=dict, repr=False, compare=False)

    @property
    def val_loss(self) -> float | None:
        """The loss on the held-out text at this step, in nats; None if it was not evaluated."""
        loss: float | None = self.state["val_loss"]
        return loss

    def verify(self, parts: Iterable[Part] = ("model", "trainer")) -> None:
        """Read these files, and keep them for `load`; raise `CheckpointError` at any damage."""
        for part in parts:
            self._contents[_FILES[part]] = self._read(_FILES[part])

    def load(self, part: Part) -> dict[str, NDArray[Any]]:
        """Return the arrays of `model` (averaged weights) or `trainer` (all the rest), verified.

        What is kept in 16 bits is returned in 32.
        """
        name = _FILES[part]
        data = self._contents.pop(name, None) or self._read(name)
        try:
            arrays = safetensors.numpy.load(data)
        except (safetensors.SafetensorError, ValueError, KeyError) as error:
            raise CheckpointError(f"{self.path / name} is damaged: {error}") from None
        if part == "model":
            config = self.run.config
            expected = config.model.parameter_shapes(len(config.vocabulary))
            found = {name: array.shape for name, array in arrays.items()}
            if found != expected:
                wrong = min(set(found.items()) ^ set(expected.items()))[0]
                raise CheckpointError(
                    f"{self.path / name} does not fit the network that {CONFIG_FILE} describes: "
                    f"{wrong[:40]} should have the shape {expected.get(wrong)}, not "
                    f"{found.get(wrong)}"
                )
        return {
            name: array.astype(np.float32) if array.dtype == np.float16 else array
            for name, array in arrays.items()
        }

    @property
    def weights_only(self) -> bool:
        """Whether this is a model to write with, without what training goes on from."""
        size: int = self.manifest["files"][TRAINER_FILE]["size"]
        return size <= _EMPTY

    @property
    def origin(self) -> Origin:
        """What a run that starts from this checkpoint remembers of it."""
        digest = self.manifest["files"][MODEL_FILE]["sha256"]
        return Origin(path=str(self.path), sha256=digest)

    def _read(self, name: str) -> bytes:
        least, most = self._sizes(name)
        expected = self.manifest["files"][name]
        if not least <= expected["size"] <= most:
            raise CheckpointError(
                f"{self.path / name} does not fit the network that {CONFIG_FILE} describes: it has "
                f"{expected['size']:,} bytes, and {least:,} to {most:,} belong there"
            )
        return manifests.read_verified(self.path / name, expected, most)

    def _sizes(self, name: str) -> tuple[int, int]:
        """Return how many bytes a file of this run has, at least and at most."""
        config = self.run.config
        numbers = config.model.count_parameters(len(config.vocabulary))
        if name == MODEL_FILE:
            return 2 * numbers, 4 * numbers + MAX_OVERHEAD_BYTES
        if self.weights_only:
            return 0, _EMPTY
        full = self.run.checkpoint_bytes - 4 * numbers
        return full, full + MAX_OVERHEAD_BYTES
