"""The sampling engine for a model, a run or a checkpoint."""

from typing import TYPE_CHECKING, Literal

from charrnn.data.vocabulary import Vocabulary
from charrnn.runs.checkpoint import Checkpoint
from charrnn.sampling.engines.interface import SamplingEngine

if TYPE_CHECKING:
    from charrnn.model.network import CharRNN
    from charrnn.sampling.engines.eager import EagerEngine


Precision = Literal["auto", "float32"]


def engine_for(
    source: "SamplingEngine | CharRNN | str | None", precision: Precision = "auto"
) -> SamplingEngine:
    """Return a engine for a model, a run (as `charrnn.load` takes it), or a engine itself.

    The precision matters on a GPU: see `CudaGraphEngine`.
    """
    if isinstance(source, SamplingEngine):
        return source
    from charrnn.model.loading import load

    model = load(source) if source is None or isinstance(source, str) else source
    return engine_for_model(model, precision)


def engine_for_checkpoint(
    checkpoint: Checkpoint,
    *,
    num_samples: int = 1,
    device: str = "auto",
    precision: Precision = "auto",
) -> SamplingEngine:
    """Return the fastest engine of a checkpoint for this many texts at once.

    For one text, `auto` is a loop over the 8-bit weights of an lstm, compiled if it can be, on the
    processor and without torch. For several, on a GPU, it is `CudaGraphEngine`. `float32` is the
    network as it was trained.
    """
    config = checkpoint.run.config
    alone = num_samples == 1 and config.model.cell == "lstm"
    if alone and precision == "auto" and device in ("auto", "cpu"):
        from charrnn.sampling.engines.int8.engine import Int8Engine

        vocabulary = Vocabulary(config.vocabulary)
        arrays = checkpoint.load("model")
        return Int8Engine(arrays, config.model, vocabulary, config.corpus.line_start)
    from charrnn.model.loading import load_checkpoint

    return engine_for_model(load_checkpoint(checkpoint, device), precision)


def engine_for_model(model: "CharRNN", precision: Precision = "auto") -> "EagerEngine":
    """Return the fastest engine for a model on its device; see `engine_for`."""
    if model.device.type == "cuda":
        from charrnn.sampling.engines.cuda_graph import CudaGraphEngine

        return CudaGraphEngine(model, precision=precision)
    from charrnn.sampling.engines.eager import EagerEngine

    try:
        from charrnn.sampling.engines.packed import PackedEngine
    except ImportError:  # there is no numba, which compiles its gates
        return EagerEngine(model)
    return PackedEngine(model) if PackedEngine.serves(model) else EagerEngine(model)
