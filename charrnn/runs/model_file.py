"""The exported model file: safetensors, with all data that is needed to use the weights."""

import json

import safetensors.numpy

from charrnn.runs.checkpoint import Checkpoint


def make_model_file(checkpoint: Checkpoint, card: str) -> bytes:
    """Return the bytes of a model file, with the weights under their names in `torch.nn`.

    The metadata contains the vocabulary, the shape of the network (as JSON) and the model card.
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
    return safetensors.numpy.save(checkpoint.load("model"), metadata)
