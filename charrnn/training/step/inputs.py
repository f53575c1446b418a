"""The inputs of a training step, as a function of its number.

Shape suffixes: T steps in time, B streams.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from charrnn.config.training import ResolvedTrainConfig
from charrnn.data.batches import Batches
from charrnn.data.vocabulary import Codes
from charrnn.model.dropout import MaskBytes, random_mask_bytes
from charrnn.model.network import CharRNN
from charrnn.numerics.devices import free_memory, resident
from charrnn.training.schedule import average_decay


@dataclass(frozen=True)
class StepInputs:
    """Everything in which one training step differs from another."""

    window_TB: Tensor
    """Character codes, (T + 1, B): the step reads all rows but the last and predicts all but the
    first."""
    mask_bytes: MaskBytes
    """Random bytes of the dropout masks, by the name of the mask."""
    learning_rate: float
    ema_weight: float
    """The weight of the new weights in the averaged weights: one minus their decay."""
    starts_epoch: bool
    """Whether the streams start again, from the initial state."""


class StepInputSource:
    """Build the inputs of each step for some of the streams.

    The text stays in the memory of a GPU that has room for it.
    """

    def __init__(
        self, codes: Codes, model: CharRNN, config: ResolvedTrainConfig, streams: slice
    ) -> None:
        self._batches = Batches(codes, config.batch_size, config.seq_length, config.seed)
        self._resident = resident(codes, model.device, free_memory(model.device))
        self._model, self._config, self._streams = model, config, streams

    @property
    def steps_per_epoch(self) -> int:
        """Batches in one pass through the training part."""
        return self._batches.steps_per_epoch

    def at(self, step: int, learning_rate: float) -> StepInputs:
        """Return the inputs of the step that follows `step` steps."""
        vocabulary_size = len(self._model.vocabulary)
        return StepInputs(
            window_TB=self._window(step),
            mask_bytes=random_mask_bytes(self._config, self._model.config, vocabulary_size, step),
            learning_rate=learning_rate,
            ema_weight=1 - average_decay(step, self._config.average_decay),
            starts_epoch=self._batches.starts_epoch(step),
        )

    def _window(self, step: int) -> Tensor:
        if self._resident is None:
            return torch.from_numpy(self._batches.window(step, self._streams))
        starts_B = torch.from_numpy(self._batches.starts(step, self._streams))
        rows_T1 = torch.arange(self._batches.rows, device=self._resident.device)[:, None]
        return self._resident[starts_B.to(self._resident.device) + rows_T1].long()
