"""The exported model file: safetensors, with all data that is needed to use the weights.

The metadata of the file contain no path and no user name. They have these keys:

    vocabulary, cell, num_layers, hidden_size, line_start   enough to use the weights, as JSON
    separator          that of documents, if each starts from the initial state
    card               the model card, in Markdown
    gradient_squares   those of the checkpoint, as a safetensors file in base64
    run                the settings and the progress of training, without paths
    digest             the SHA-256 of all other data in the file

Files of charrnn 0.1.0 contain no run and no digest.
"""

import base64
import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import safetensors.numpy
from numpy.typing import NDArray

from charrnn.errors import CheckpointError
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.layout import GRADIENT_SQUARES
from charrnn.runs.progress import Progress
from charrnn.runs.run_config import config_to_record

SUFFIX = ".safetensors"
DIGEST, RUN = "digest", "run"
_LENGTH_BYTES = 8  # of the number at the start of a safetensors file: the length of its header
_MAX_HEADER_BYTES = 100_000_000  # the limit of the safetensors library


class Header(NamedTuple):
    """The header of a model file."""

    metadata: dict[str, str]
    tensors: dict[str, Any]
    """The data type, the shape and the place of each array."""
    size: int
    """Its length in bytes, with the number at the start of the file."""


def make_model_file(checkpoint: Checkpoint, card: str) -> bytes:
    """Return the bytes of a model file, with the weights under their names in `torch.nn`."""
    progress = Progress.from_checkpoint(checkpoint)
    config = progress.current_config(checkpoint.run.config)
    metadata = {
        "format": "pt",
        "vocabulary": json.dumps(config.vocabulary),
        "cell": config.model.cell,
        "num_layers": json.dumps(config.model.num_layers),
        "hidden_size": json.dumps(config.model.hidden_size),
        "line_start": json.dumps(config.corpus.line_start),
        "card": card,
    }
    if config.text.separator is not None:
        metadata["separator"] = json.dumps(config.text.separator)
    if config.corpus.is_known:
        corpus = dataclasses.replace(config.corpus, path="", more_paths=())
        without_paths = dataclasses.replace(config, corpus=corpus, init_from=None)
        state = dataclasses.replace(progress, corpus=None, text=None, teachers=()).to_record()
        metadata[RUN] = json.dumps({**config_to_record(without_paths), "state": state})
    squares = checkpoint.load_gradient_squares()
    if squares is not None:
        metadata[GRADIENT_SQUARES] = base64.b64encode(safetensors.numpy.save(squares)).decode()
    return add_digest(checkpoint.load("model"), metadata)


def add_digest(weights: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> bytes:
    """Return the bytes of a safetensors file with its digest in the metadata."""
    data = safetensors.numpy.save(dict(weights), dict(metadata))
    digest = compute_digest(parse_header(data), data)
    return safetensors.numpy.save(dict(weights), {**metadata, DIGEST: digest})


def compute_digest(header: Header, data: bytes) -> str:
    """Return the SHA-256 of all data in a file, except the digest itself."""
    metadata = {key: value for key, value in header.metadata.items() if key != DIGEST}
    record = json.dumps([metadata, header.tensors], sort_keys=True)
    digest = hashlib.sha256(record.encode())
    digest.update(memoryview(data)[header.size :])
    return digest.hexdigest()


def read_header(path: Path) -> Header:
    """Read the header of a model file; raise `CheckpointError` if it is not one."""
    try:
        with path.open("rb") as file:
            start = file.read(_LENGTH_BYTES)
            length = int.from_bytes(start, "little")
            if len(start) < _LENGTH_BYTES or length > _MAX_HEADER_BYTES:
                raise ValueError("it has no header")
            header = parse_header(start + file.read(length))
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror})") from None
    except (ValueError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged: {error}", "export the model again") from None
    if "vocabulary" not in header.metadata:
        raise CheckpointError(
            f"{path} has no vocabulary, so `charrnn export` did not write it",
            "give a file that `charrnn export --to safetensors` wrote",
        )
    return header


def parse_header(data: bytes) -> Header:
    """Return the header at the start of a file; raise `ValueError` or `TypeError`."""
    size = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "little")
    if len(data) < size:
        raise ValueError("its header is incomplete")
    tensors = json.loads(data[_LENGTH_BYTES:size])
    metadata = tensors.pop("__metadata__", {}) if isinstance(tensors, dict) else None
    if not isinstance(metadata, dict):
        raise TypeError("its header is not one of safetensors")
    if not all(isinstance(value, str) for value in metadata.values()):
        raise TypeError("its metadata are not texts")
    return Header(metadata, tensors, size)
