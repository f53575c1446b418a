"""A run with a vocabulary of four characters, small enough to save a thousand times."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.config.model import ModelConfig
from charrnn.config.training import ResolvedTrainConfig
from charrnn.data.corpus_record import CorpusRecord
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.run import Run
from charrnn.runs.run_config import RunConfig

CONFIG = RunConfig(
    model=ModelConfig(hidden_size=4),
    training=ResolvedTrainConfig(
        batch_size=2,
        seq_length=4,
        eval_every=5,
        eval_characters=1_000_000,
        dropout=0.0,
        output_dropout=0.0,
        weight_drop=0.0,
        weight_decay=0.02,
        patience=10,
        loss_temperature=1.0,
        learning_rate=0.004,
        device="cpu",
        precision="float32",
        threads=1,
    ),
    vocabulary=("\n", "a", "é", "🙂"),
    corpus=CorpusRecord(name="t", path="/t.txt", sha256="1" * 64, characters=9, line_start="a"),
)

NUMBERS = np.arange(CONFIG.model.count_parameters(4))


def save(run: Run, step: int, val_loss: float | None = None) -> Checkpoint:
    size = run.checkpoint_bytes // 4 - len(NUMBERS)
    trainer = {"m": np.resize(2 * (NUMBERS + step), size).astype(np.float32)}
    state = {"step": step, "val_loss": val_loss}
    return run.save(step, weights(step), trainer, state, {"squares": NUMBERS.astype(np.float32)})


def weights(offset: float, dtype: type = np.float32) -> dict[str, NDArray[Any]]:
    shapes = CONFIG.model.parameter_shapes(4)
    offsets = np.cumsum([math.prod(shape) for shape in shapes.values()])
    pieces: list[NDArray[Any]] = np.split((NUMBERS + offset).astype(dtype), offsets[:-1])
    return {name: piece.reshape(shapes[name]) for name, piece in zip(shapes, pieces, strict=True)}
