"""Character-level text generation with recurrent networks.

The public API is loaded on first use, so that `import charrnn` does not import torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from charrnn.analysis.scoring import score
    from charrnn.config.training import ModelConfig, SampleConfig, TrainConfig
    from charrnn.data.corpus import Corpus
    from charrnn.data.vocabulary import Vocabulary
    from charrnn.errors import CharrnnError
    from charrnn.model.network import CharRNN, load
    from charrnn.sampling.loop import generate, stream
    from charrnn.training.loop import train

__version__ = "0.1.0"

_HOMES = {
    "CharRNN": "model.network",
    "CharrnnError": "errors",
    "Corpus": "data.corpus",
    "ModelConfig": "config.training",
    "SampleConfig": "config.training",
    "TrainConfig": "config.training",
    "Vocabulary": "data.vocabulary",
    "generate": "sampling.loop",
    "load": "model.network",
    "score": "analysis.scoring",
    "stream": "sampling.loop",
    "train": "training.loop",
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
