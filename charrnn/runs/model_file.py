"""The format of an exported model file: safetensors, with all that is needed to use the weights."""

import json

import safetensors.numpy

from charrnn.runs.checkpoint import Checkpoint


def make_model_file(checkpoint: Checkpoint, card: str) -> bytes:
    """Return a model file: a checkpoint's weights, as `torch.nn` names those of a layer.

    The metadata holds the vocabulary, the network and the card; values are JSON but for the card.
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
