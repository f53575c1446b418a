"""Load trained models from runs."""

import torch

from charrnn.data.vocabulary import Vocabulary
from charrnn.model.network import CharRNN
from charrnn.numerics.devices import choose_device
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.find import find_run


def load(run: str | None = None, checkpoint: str = "best", device: str = "auto") -> CharRNN:
    """Load a trained model from a run.

    `run` is a run folder, the name of a run under `checkpoints/`, a file made by `charrnn export
    --to safetensors`, or None for the newest run. `checkpoint` is `best`, `last` or `step-N`.
    Raises `CheckpointError`.
    """
    return load_checkpoint(find_run(run).select(checkpoint), device)


def load_checkpoint(checkpoint: Checkpoint, device: str = "auto") -> CharRNN:
    """Load the averaged weights of a checkpoint, which evaluation and sampling use."""
    config = checkpoint.run.config
    with torch.device("meta"):
        model = CharRNN(config.model, Vocabulary(config.vocabulary), config.corpus.line_start)
    model = model.to_empty(device="cpu").set_arrays(checkpoint.load("model"))
    return model.to(choose_device(device)).eval()
