"""Character-level text generation with recurrent networks.

The public API is loaded on first use, so that `import charrnn` does not import torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from charrnn.config import ModelConfig, SampleConfig, TrainConfig
    from charrnn.corpus import Corpus
    from charrnn.errors import CharrnnError
    from charrnn.evaluation import score
    from charrnn.model import CharRNN, load
    from charrnn.sampling import generate, stream
    from charrnn.training import train
    from charrnn.vocabulary import Vocabulary

__version__ = "0.1.0"

_HOMES = {
    "CharRNN": "model",
    "CharrnnError": "errors",
    "Corpus": "corpus",
    "ModelConfig": "config",
    "SampleConfig": "config",
    "TrainConfig": "config",
    "Vocabulary": "vocabulary",
    "generate": "sampling",
    "load": "model",
    "score": "evaluation",
    "stream": "sampling",
    "train": "training",
}

__all__ = [
    "CharRNN",
    "CharrnnError",
    "Corpus",
    "ModelConfig",
    "SampleConfig",
    "TrainConfig",
    "Vocabulary",
    "generate",
    "load",
    "score",
    "stream",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
