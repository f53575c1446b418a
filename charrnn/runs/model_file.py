"""The exported model file: safetensors, with all data that is needed to use the weights."""

import base64
import json

import safetensors.numpy

from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.layout import GRADIENT_SQUARES


def make_model_file(checkpoint: Checkpoint, card: str) -> bytes:
    """Return the bytes of a model file, with the weights under their names in `torch.nn`.

    The metadata contains the vocabulary, the shape of the network and the separator of documents,
    if each starts from the initial state (as JSON), the model card and, in base64, the checkpoint's
    gradient squares, if it has them.
    """
    config = checkpoint.run.config
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
    squares = checkpoint.load_gradient_squares()
    if squares is not None:
        metadata[GRADIENT_SQUARES] = base64.b64encode(safetensors.numpy.save(squares)).decode()
    return safetensors.numpy.save(checkpoint.load("model"), metadata)
