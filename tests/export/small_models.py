"""Small models to export."""

from pathlib import Path

from charrnn.config.model import Cell, ModelConfig
from charrnn.runs.checkpoint import Checkpoint
from charrnn.training.loop import train
from tests.conftest import TINY_TRAINING, last_event


def train_checkpoint(text_file: Path, cell: Cell = "lstm", units: int = 20) -> Checkpoint:
    """Return a checkpoint whose hidden size is not a multiple of the page's row padding."""
    model = ModelConfig(num_layers=2, hidden_size=units, cell=cell)
    run = last_event(list(train(str(text_file), TINY_TRAINING, model, out_dir=cell))).run
    return run.select("best")
