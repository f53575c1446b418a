"""The inputs of a training step, as a function of the number of the step.

Shape suffixes: T steps in time, B streams.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from charrnn.config.training import ResolvedTrainConfig
from charrnn.data.batches import Batches
from charrnn.data.vocabulary import Codes
from charrnn.model.dropout import MaskBytes, random_mask_bytes
from charrnn.model.network import CharRNN
from charrnn.training.schedule import average_decay


@dataclass(frozen=True)
class StepInputs:
    """All values that differ between training steps, on the device of the model."""

    window_TB: Tensor
    """Character codes, (T + 1, B): the step reads all rows but the last and predicts all but the
    first."""
    mask_bytes: MaskBytes
    """Random bytes of the dropout masks, by the name of the mask."""
    learning_rate: float | Tensor
    ema_weight: float | Tensor
    """The share of the new weights in the averaged weights: one minus the decay."""


ReadInputs = Callable[[], StepInputs]
"""Return the inputs of the step that was loaded last."""


class StepInputSource:
    """Build the inputs of each step, for the streams of one process: call `load`, then `read`."""

    def __init__(
        self, codes: Codes, model: CharRNN, config: ResolvedTrainConfig, streams: slice
    ) -> None:
        self._batches = Batches(codes, config.batch_size, config.seq_length, config.seed)
        self._model, self._config, self._streams = model, config, streams

    def starts_epoch(self, step: int) -> bool:
        """Return whether an epoch starts at `step`, with the initial state of all streams."""
        return self._batches.starts_epoch(step)

    def load(self, step: int, learning_rate: float) -> None:
        """Build the inputs of the step that follows `step` steps."""
        device = self._model.device
        window_TB = torch.from_numpy(self._batches.read_window(step, self._streams))
        self._inputs = StepInputs(
            window_TB=window_TB.to(device),
            mask_bytes={name: bytes_.to(device) for name, bytes_ in self._draw(step).items()},
            learning_rate=learning_rate,
            ema_weight=self._ema_weight(step),
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
