"""Engines that write: how likely is each next character, given those before it."""

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from charrnn.data.vocabulary import Codes, Vocabulary

if TYPE_CHECKING:
    from charrnn.config.training import SampleConfig
    from charrnn.model.network import CharRNN
    from charrnn.runs.run import Checkpoint


@runtime_checkable
class Writer(Protocol):
    """What `charrnn.sampling` drives. A state belongs to its writer and is never changed in place.

    Shape suffixes: T characters of a prompt, B samples, V characters of the vocabulary.
    """

    vocabulary: Vocabulary
    line_start: str

    def read(self, codes_T: Codes) -> tuple[NDArray[np.float32], Any]:
        """Read a prompt from a blank state; return the logits (1, V) after it and the state."""

    def pick(self, state: Any, samples_B: NDArray[np.int64]) -> Any:
        """Return the state of some of the samples, repeated or reordered as `samples_B` says."""

    def step(self, state: Any, codes_B: NDArray[np.int64]) -> tuple[NDArray[np.float32], Any]:
        """Read one character for each sample; return the logits (B, V) and the state after it."""


@runtime_checkable
class BlockWriter(Writer, Protocol):
    """A writer that draws too, so that nobody has to look at each character.

    Shape suffixes: K characters of a block.
    """

    def draw_block(
        self,
        logits_BV: NDArray[np.float32],
        state: Any,
        uniforms_KB: NDArray[np.float64],
        config: "SampleConfig",
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], Any]:
        """Draw K characters of each sample, the first from the logits, by the numbers given.

        Return them, and the logits and the state after the last.
        """


def writer_for(source: "Writer | CharRNN | str | None") -> Writer:
    """Return a writer for a model, a run (as `charrnn.load` takes it), or a writer itself."""
    if isinstance(source, Writer):
        return source
    from charrnn.model.network import load

    return _network_writer(load(source) if source is None or isinstance(source, str) else source)


def writer_of(
    checkpoint: "Checkpoint",
    *,
    num_samples: int = 1,
    device: str = "auto",
    precision: str = "auto",
) -> Writer:
    """Return the fastest writer of a checkpoint for this many texts at once.

    For one text, `auto` is a loop over the 8-bit weights of an lstm, compiled if it can be, on the
    processor and without torch; `float32` is the network as it was trained.
    """
    config = checkpoint.run.config
    alone = num_samples == 1 and config.model.cell == "lstm"
    if alone and precision == "auto" and device in ("auto", "cpu"):
        from charrnn.sampling.engines.int8 import QuantizedWriter

        vocabulary = Vocabulary(config.vocabulary)
        arrays = checkpoint.load("model")
        return QuantizedWriter(arrays, config.model, vocabulary, config.corpus.line_start)
    from charrnn.model.network import load_checkpoint

    return _network_writer(load_checkpoint(checkpoint, device))


def _network_writer(model: "CharRNN") -> Writer:
    from charrnn.sampling.engines.eager import TorchWriter
    from charrnn.sampling.engines.packed import PackedWriter

    if model.device.type == "cuda":
        from charrnn.sampling.engines.cuda_graph import GraphWriter

        return GraphWriter(model)
    return PackedWriter(model) if PackedWriter.serves(model) else TorchWriter(model)
