"""The sampling engine for a model, a run or a checkpoint."""

from typing import TYPE_CHECKING, Literal

from charrnn.data.vocabulary import Vocabulary
from charrnn.runs.checkpoint import Checkpoint
from charrnn.sampling.engines.interface import Writer

if TYPE_CHECKING:
    from charrnn.model.network import CharRNN
    from charrnn.sampling.engines.eager import TorchWriter


Precision = Literal["auto", "float32"]


def writer_for(source: "Writer | CharRNN | str | None", precision: Precision = "auto") -> Writer:
    """Return a writer for a model, a run (as `charrnn.load` takes it), or a writer itself.

    The precision matters on a GPU: see `GraphWriter`.
    """
    if isinstance(source, Writer):
        return source
    from charrnn.model.loading import load

    model = load(source) if source is None or isinstance(source, str) else source
    return network_writer(model, precision)


def writer_of(
    checkpoint: Checkpoint,
    *,
    num_samples: int = 1,
    device: str = "auto",
    precision: Precision = "auto",
) -> Writer:
    """Return the fastest writer of a checkpoint for this many texts at once.

    For one text, `auto` is a loop over the 8-bit weights of an lstm, compiled if it can be, on the
    processor and without torch. For several, on a GPU, it is `GraphWriter`. `float32` is the
    network as it was trained.
    """
    config = checkpoint.run.config
    alone = num_samples == 1 and config.model.cell == "lstm"
    if alone and precision == "auto" and device in ("auto", "cpu"):
        from charrnn.sampling.engines.int8.engine import QuantizedWriter

        vocabulary = Vocabulary(config.vocabulary)
        arrays = checkpoint.load("model")
        return QuantizedWriter(arrays, config.model, vocabulary, config.corpus.line_start)
    from charrnn.model.loading import load_checkpoint

    return network_writer(load_checkpoint(checkpoint, device), precision)


def network_writer(model: "CharRNN", precision: Precision = "auto") -> "TorchWriter":
    """Return the fastest writer for a model on its device; see `writer_for`."""
    if model.device.type == "cuda":
        from charrnn.sampling.engines.cuda_graph import GraphWriter

        return GraphWriter(model, precision=precision)
    from charrnn.sampling.engines.eager import TorchWriter

    try:
        from charrnn.sampling.engines.packed import PackedWriter
    except ImportError:  # there is no numba, which compiles its gates
        return TorchWriter(model)
    return PackedWriter(model) if PackedWriter.serves(model) else TorchWriter(model)
