"""Character-level text generation with recurrent networks.

The public API is loaded on first use, so that `import charrnn` does not import torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from charrnn.version import __version__

if TYPE_CHECKING:
    from charrnn.analysis.scoring import score
    from charrnn.config.dynamic_evaluation import AdaptConfig
    from charrnn.config.model import ModelConfig
    from charrnn.config.sampling import SampleConfig
    from charrnn.config.text import ReadingConfig, TextConfig
    from charrnn.config.training import Budget, ResolvedTrainConfig, TrainConfig
    from charrnn.data.corpus import Corpus
    from charrnn.data.progress import Reading
    from charrnn.data.vocabulary import Vocabulary
    from charrnn.errors import CharrnnError
    from charrnn.export.targets import export_model
    from charrnn.model.loading import load
    from charrnn.model.network import CharRNN
    from charrnn.numerics.reproducible import use_reproducible_kernels
    from charrnn.reports.curves import plot_runs
    from charrnn.reports.show import show
    from charrnn.reports.units import find_neurons
    from charrnn.runs.summary import RunSummary, list_runs
    from charrnn.sampling.loop import generate, stream
    from charrnn.training.events import (
        Evaluated,
        Finished,
        RolledBack,
        Saved,
        Started,
        Step,
        TeacherFinished,
    )
    from charrnn.training.loop import resume, train

_MODULES = {
    "AdaptConfig": "config.dynamic_evaluation",
    "Budget": "config.training",
    "CharRNN": "model.network",
    "CharrnnError": "errors",
    "Corpus": "data.corpus",
    "Evaluated": "training.events",
    "Finished": "training.events",
    "ModelConfig": "config.model",
    "Reading": "data.progress",
    "ReadingConfig": "config.text",
    "ResolvedTrainConfig": "config.training",
    "RolledBack": "training.events",
    "RunSummary": "runs.summary",
    "SampleConfig": "config.sampling",
    "Saved": "training.events",
    "Started": "training.events",
    "Step": "training.events",
    "TeacherFinished": "training.events",
    "TextConfig": "config.text",
    "TrainConfig": "config.training",
    "Vocabulary": "data.vocabulary",
    "export_model": "export.targets",
    "find_neurons": "reports.units",
    "generate": "sampling.loop",
    "list_runs": "runs.summary",
    "load": "model.loading",
    "plot_runs": "reports.curves",
    "resume": "training.loop",
    "score": "analysis.scoring",
    "show": "reports.show",
    "stream": "sampling.loop",
    "train": "training.loop",
    "use_reproducible_kernels": "numerics.reproducible",
}

__all__ = [
    "AdaptConfig",
    "Budget",
    "CharRNN",
    "CharrnnError",
    "Corpus",
    "Evaluated",
    "Finished",
    "ModelConfig",
    "Reading",
    "ReadingConfig",
    "ResolvedTrainConfig",
    "RolledBack",
    "RunSummary",
    "SampleConfig",
    "Saved",
    "Started",
    "Step",
    "TeacherFinished",
    "TextConfig",
    "TrainConfig",
    "Vocabulary",
    "__version__",
    "export_model",
    "find_neurons",
    "generate",
    "list_runs",
    "load",
    "plot_runs",
    "resume",
    "score",
    "show",
    "stream",
    "train",
    "use_reproducible_kernels",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
