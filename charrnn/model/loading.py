"""Load trained models from runs."""

import torch

from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import CheckpointError
from charrnn.model.gradient_squares import GradientSquares
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
        model = CharRNN(
            config.model,
            Vocabulary(config.vocabulary),
            config.corpus.line_start,
            config.text.separator,
        )
    model = model.to_empty(device="cpu").set_arrays(checkpoint.load("model"))
    model.gradient_squares = load_gradient_squares(checkpoint)
    return model.to(choose_device(device)).eval()


def load_gradient_squares(checkpoint: Checkpoint) -> GradientSquares | None:
    """Load the mean squares of the gradients; None if the version of charrnn did not measure them.

    Raises `CheckpointError`.
    """
    arrays = checkpoint.load_gradient_squares()
    if arrays is None:
        return None
    config = checkpoint.run.config
    try:
        shapes = config.model.parameter_shapes(len(config.vocabulary))
        return GradientSquares.from_arrays(arrays, shapes)
    except ValueError as error:
        raise CheckpointError(f"{checkpoint.path} is damaged: {error}") from None
