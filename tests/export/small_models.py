"""Small models to export."""

from pathlib import Path

from charrnn.config.model import Cell, ModelConfig
from charrnn.config.text import TextConfig
from charrnn.runs.checkpoint import Checkpoint
from charrnn.training.loop import train
from tests.conftest import TINY_TRAINING, last_event


def train_checkpoint(
    text_file: Path, cell: Cell = "lstm", units: int = 20, separator: str | None = None
) -> Checkpoint:
    """Return a checkpoint whose hidden size is not a multiple of the page's row padding."""
    model, text = ModelConfig(num_layers=2, hidden_size=units, cell=cell), TextConfig()
    if separator:
        text = TextConfig(document_separator=separator)
    run = last_event(list(train(str(text_file), TINY_TRAINING, model, text, out_dir=cell))).run
    return run.select("best")
