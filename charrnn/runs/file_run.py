"""A model file that is used like a run with one checkpoint. It cannot be resumed."""

import base64
import binascii
import functools
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.numpy

from charrnn.config.model import ModelConfig
from charrnn.config.text import ResolvedTextConfig
from charrnn.config.training import Budget, ResolvedTrainConfig
from charrnn.data.corpus_record import make_unknown_corpus
from charrnn.errors import CheckpointError, ConfigError, VocabularyError
from charrnn.runs import manifest as manifests
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.compatibility import FORMAT
from charrnn.runs.layout import (
    GRADIENT_SQUARES,
    GRADIENT_SQUARES_FILE,
    MODEL_FILE,
    STATE_FILE,
    TRAINER_FILE,
)
from charrnn.runs.model_file import DIGEST, RUN, Header, compute_digest, parse_header, read_header
from charrnn.runs.progress import Progress
from charrnn.runs.run import Run
from charrnn.runs.run_config import RunConfig, parse_config

_NO_ARRAYS = safetensors.numpy.save({})
_UNKNOWN_TRAINING = ResolvedTrainConfig(
    batch_size=1,
    seq_length=1,
    dropout=0.0,
    output_dropout=0.0,
    weight_drop=0.0,
    loss_temperature=1.0,
    learning_rate=1.0,
    weight_decay=0.0,
    patience=0,
    eval_every=1,
    eval_characters=1,
    device="cpu",
    precision="float32",
    threads=1,
)
"""Stands for the settings of training, which a file of charrnn 0.1.0 does not contain."""


@dataclass(frozen=True)
class FileRun(Run):
    """A model file as a run. `path` is that of the file."""

    header: Header
    state: dict[str, Any]
    label: str | None = None
    """The name of the model, if it is not that of the file."""

    @classmethod
    def open(cls, path: Path, label: str | None = None) -> "FileRun":
        """Read the header of a model file; raise `CheckpointError` if it is not one."""
        header = read_header(path)
        try:
            config, state = _parse(header, path)
        except (
            *(ValueError, KeyError, TypeError, AttributeError, RecursionError),
            *(ConfigError, VocabularyError),
        ) as error:
            raise CheckpointError(f"{path} is damaged: {error}", "export the model again") from None
        return cls(path, config, header, state, label)

    @property
    def name(self) -> str:
        """The name of the file without its suffix, or that of the model on a hub."""
        return self.label or self.path.stem

    def scan_checkpoints(self) -> tuple[list[Checkpoint], dict[int, Path]]:
        """Return the checkpoint that was exported."""
        return [FileCheckpoint(self, self.state["step"], self.path, self._manifest, self.state)], {}

    @functools.cached_property
    def _manifest(self) -> dict[str, Any]:
        digest = self.header.metadata.get(DIGEST) or self.compute_digest(self.read_bytes())
        size = self.path.stat().st_size
        files = {MODEL_FILE: {"size": size, "sha256": digest}}
        files |= {TRAINER_FILE: manifests.file_record(_NO_ARRAYS)}
        files |= {STATE_FILE: manifests.file_record(manifests.to_json_bytes(self.state))}
        manifest: dict[str, Any] = {"format": FORMAT, "files": files}
        if GRADIENT_SQUARES in self.header.metadata:
            manifest[GRADIENT_SQUARES] = manifests.file_record(self.read_gradient_squares())
        return manifest

    def compute_digest(self, data: bytes) -> str:
        """Return the digest of the file with these bytes; of charrnn 0.1.0, their SHA-256."""
        if DIGEST in self.header.metadata:
            return compute_digest(parse_header(data), data)
        return hashlib.sha256(data).hexdigest()

    def read_bytes(self) -> bytes:
        """Read the whole file; raise `CheckpointError` if it is larger than its network needs."""
        parameters = self.config.model.count_parameters(len(self.config.vocabulary))
        largest = self.header.size + 4 * parameters
        return manifests.read_file(self.path.resolve(), largest)

    def read_gradient_squares(self) -> bytes:
        """Return the bytes of the file of gradient squares that the header contains."""
        try:
            return base64.b64decode(self.header.metadata[GRADIENT_SQUARES], validate=True)
        except (binascii.Error, ValueError) as error:
            raise CheckpointError(f"{self.path} is damaged: {error}") from None


@dataclass(frozen=True)
class FileCheckpoint(Checkpoint):
    """The checkpoint in a model file, whose digest is verified when its weights are read."""

    run: FileRun

    @property
    def num_bytes(self) -> int:
        """The size of the file."""
        size: int = self.manifest["files"][MODEL_FILE]["size"]
        return size

    def describe_unverified(self) -> str | None:
        """Return that a file of charrnn 0.1.0 has no digest."""
        if DIGEST in self.run.header.metadata:
            return None
        return "readable; it has no digest to verify (charrnn 0.1.0 wrote none)"

    def locate(self, name: str) -> Path:
        """Return the path of the model file, which contains all parts."""
        return self.path

    def _read(self, name: str) -> bytes:
        if name == TRAINER_FILE:
            return _NO_ARRAYS
        if name == GRADIENT_SQUARES_FILE:
            return self.run.read_gradient_squares()
        data = self.run.read_bytes()
        expected = self.manifest["files"][MODEL_FILE]["sha256"]
        try:
            actual = self.run.compute_digest(data)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise CheckpointError(f"{self.path} is damaged: {error}") from None
        if actual != expected:
            raise CheckpointError(
                f"{self.path} is damaged: expected SHA-256 {expected}, found {actual}",
                "export the model again",
            )
        return data


def _parse(header: Header, path: Path) -> tuple[RunConfig, dict[str, Any]]:
    """Return the contents of `config.json` and `state.json` of the exported run.

    Of a file of charrnn 0.1.0, only the network and the vocabulary are known.
    """
    metadata = header.metadata
    vocabulary = json.loads(metadata["vocabulary"])
    if RUN in metadata:
        record = json.loads(metadata[RUN])
        state = record.pop("state")
        run_config = parse_config({**record, "vocabulary": vocabulary}, path)
        return run_config, Progress.from_record(state, path, run_config.version).to_record()
    shape: dict[str, Any] = {"cell": metadata["cell"]}
    shape |= {key: json.loads(metadata[key]) for key in ("num_layers", "hidden_size")}
    config = RunConfig(
        model=ModelConfig(**shape),
        training=_UNKNOWN_TRAINING,
        vocabulary=tuple(vocabulary),
        corpus=make_unknown_corpus(json.loads(metadata["line_start"])),
        text=ResolvedTextConfig(),
        version="0.1.0",
        format=1,
    )
    return config, Progress(budget=Budget()).to_record()
