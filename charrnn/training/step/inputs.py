"""The inputs of a training step, as a function of the number of the step.

Shape suffixes: T steps in time, B streams.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from charrnn.config.training import ResolvedTrainConfig
from charrnn.data.batches import Batches
from charrnn.data.document_batches import DocumentBatches
from charrnn.data.document_index import locate_documents
from charrnn.data.vocabulary import Codes
from charrnn.model.dropout import MaskBytes, random_mask_bytes
from charrnn.model.network import CharRNN
from charrnn.training.schedule import average_decay


@dataclass(frozen=True)
class StepInputs:
    """All values that differ between training steps, on the device of the model."""

    window_TB: Tensor
    """Character codes, (T + 1, B): the step reads all rows but the last and predicts all but the
    first. `PADDING` is neither read nor predicted."""
    mask_bytes: MaskBytes
    """Random bytes of the dropout masks, by the name of the mask."""
    learning_rate: float | Tensor
    ema_weight: float | Tensor
    """The share of the new weights in the averaged weights: one minus the decay."""
    num_targets: float
    """The number of characters to predict, in the mean of all processes."""


ReadInputs = Callable[[], StepInputs]
"""Return the inputs of the step that was loaded last."""


def make_batches(
    codes: Codes, separator: int | None, config: ResolvedTrainConfig
) -> Batches | DocumentBatches:
    """Return the batches of a text: of its documents if it has a `separator`, else of streams."""
    shape = (config.batch_size, config.seq_length, config.seed)
    if separator is None:
        return Batches(codes, *shape)
    return DocumentBatches(codes, locate_documents(codes, separator), separator, *shape)


class StepInputSource:
    """Build the inputs of each step, for the streams of one process: call `load`, then `read`."""

    def __init__(
        self, codes: Codes, model: CharRNN, config: ResolvedTrainConfig, streams: slice
    ) -> None:
        self._batches = make_batches(codes, model.separator_code, config)
        self._model, self._config, self._streams = model, config, streams
        self._share = (streams.stop - streams.start) / config.batch_size

    @property
    def steps_per_epoch(self) -> int:
        """The number of batches in one epoch."""
        return self._batches.steps_per_epoch

    def starts_from_initial_state(self, step: int) -> bool:
        """Return whether all streams start from the initial state: when an epoch starts."""
        return step % self.steps_per_epoch == 0

    def count_targets(self, step: int) -> int:
        """Return the number of characters that `step` predicts in the streams of all processes."""
        return self._batches.count_targets(step)

    def load(self, step: int, learning_rate: float) -> None:
        """Build the inputs of the step that follows `step` steps."""
        device = self._model.device
        window_TB = torch.from_numpy(self._batches.read_window(step, self._streams))
        self._inputs = StepInputs(
            window_TB=window_TB.to(device),
            mask_bytes={name: bytes_.to(device) for name, bytes_ in self._draw(step).items()},
            learning_rate=learning_rate,
            ema_weight=self._ema_weight(step),
            num_targets=self.count_targets(step) * self._share,
        )

    def read(self) -> StepInputs:
        """Return the inputs of the step that was loaded last."""
        return self._inputs

    def _draw(self, step: int) -> MaskBytes:
        """Draw the random bytes of the masks on the CPU."""
        vocabulary_size = len(self._model.vocabulary)
        return random_mask_bytes(self._config, self._model.config, vocabulary_size, step)

    def _ema_weight(self, step: int) -> float:
        return 1 - average_decay(step, self._config.average_decay)
