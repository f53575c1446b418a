"""Choose the sampling engine for a model, a run or a checkpoint."""

from typing import TYPE_CHECKING, Literal

from charrnn.data.vocabulary import Vocabulary
from charrnn.runs.checkpoint import Checkpoint
from charrnn.sampling.engines.interface import SamplingEngine

if TYPE_CHECKING:
    from charrnn.model.network import CharRNN
    from charrnn.sampling.engines.eager import EagerEngine


Precision = Literal["auto", "float32"]


def engine_for(source: "SamplingEngine | CharRNN", precision: Precision = "auto") -> SamplingEngine:
    """Return the fastest engine for a model; return an engine unchanged.

    For `precision`, see `CudaGraphEngine` and `PackedEngine`.
    """
    return source if isinstance(source, SamplingEngine) else engine_for_model(source, precision)


def engine_for_checkpoint(
    checkpoint: Checkpoint,
    *,
    num_samples: int = 1,
    device: str = "auto",
    precision: Precision = "auto",
) -> SamplingEngine:
    """Return the fastest engine that samples this many texts from a checkpoint.

    For one text of an LSTM on the CPU, `auto` selects `Int8Engine`, which has 8-bit weights and
    does not import torch. For the effect of `precision` on other engines, see `engine_for`.
    """
    config = checkpoint.run.config
    has_int8_engine = num_samples == 1 and config.model.cell == "lstm"
    if has_int8_engine and precision == "auto" and device in ("auto", "cpu"):
        from charrnn.sampling.engines.int8.engine import Int8Engine

        vocabulary = Vocabulary(config.vocabulary)
        arrays = checkpoint.load("model")
        return Int8Engine(
            arrays,
            config.model,
            vocabulary,
            config.corpus.line_start,
            separator_code=vocabulary.find_code(config.text.separator),
        )
    from charrnn.model.loading import load_checkpoint

    return engine_for_model(load_checkpoint(checkpoint, device), precision)


def engine_for_model(model: "CharRNN", precision: Precision = "auto") -> "EagerEngine":
    """Return the fastest engine for a model on the device of the model; see `engine_for`."""
    if model.device.type == "cuda":
        from charrnn.sampling.engines.cuda_graph import CudaGraphEngine

        return CudaGraphEngine(model, precision=precision)
    from charrnn.sampling.engines.eager import EagerEngine

    try:
        from charrnn.sampling.engines.packed import PackedEngine
    except ImportError:  # numba, which compiles the gates, is not installed
        return EagerEngine(model)
    return PackedEngine(model, precision) if model.is_lstm_on_cpu else EagerEngine(model)
