"""The inputs of training steps at fixed addresses of a GPU's memory, where a CUDA graph reads them.

Shape suffixes: T steps in time, B streams, M masks, R numbers that differ between steps.
"""

import warnings

import numpy as np
import torch

from charrnn.config.training import ResolvedTrainConfig
from charrnn.data.batches import Batches
from charrnn.data.vocabulary import Codes
from charrnn.errors import DeviceWarning
from charrnn.model.dropout import mask_keys, mask_shapes
from charrnn.model.network import CharRNN
from charrnn.numerics import philox
from charrnn.numerics.devices import copy_async, copy_if_small, free_memory
from charrnn.training.step.inputs import StepInputs, StepInputSource
from charrnn.training.step.mask_bytes import CopiedMaskBytes, DrawnMaskBytes


class StaticInputSource(StepInputSource):
    """Build the inputs of each step on a GPU; the CPU neither computes them nor waits.

    `load` starts to copy the few numbers that differ between steps. `read` only starts work of the
    GPU, which a CUDA graph can capture: a replay reads the step that was loaded last. The text
    stays in the memory of the GPU if it is small enough.
    """

    def __init__(
        self,
        codes: Codes,
        model: CharRNN,
        config: ResolvedTrainConfig,
        streams: slice,
        launch: philox.Launch = philox.launch_kernel,
    ) -> None:
        super().__init__(codes, model, config, streams)
        assert isinstance(self._batches, Batches)
        self._text_batches = self._batches
        device = model.device
        self._resident = copy_if_small(codes, device, free_memory(device))
        self._offsets_TB = torch.from_numpy(self._text_batches.offsets(streams)).to(device)
        self._window_TB = torch.zeros_like(self._offsets_TB)
        """The characters of the loaded step, if the text is not resident."""
        shapes = mask_shapes(config, model.config, len(model.vocabulary))
        self._mask_names = tuple(shapes)
        defect = philox.find_defect(device, launch) if shapes else None
        self._masks: DrawnMaskBytes | CopiedMaskBytes
        if defect is None:
            self._masks = DrawnMaskBytes(philox.RandomBytes(shapes, device, launch))
        else:
            self._masks = CopiedMaskBytes(shapes, device, self._draw)
            warnings.warn(
                f"the GPU cannot draw the dropout masks ({defect}), so the CPU draws them, which "
                "is slower",
                DeviceWarning,
                stacklevel=2,
            )
        self._record_R = torch.zeros(2 + 2 * len(shapes), dtype=torch.int64, device=device)
        """The first character of the step, two float32 numbers, and the keys of the masks."""
        self._first = self._record_R[0]
        self._learning_rate, self._ema = self._record_R[1:2].view(torch.float32).unbind()
        self._keys_M2 = self._record_R[2:].view(-1, 2)

    def load(self, step: int, learning_rate: float) -> None:
        """Start to copy the numbers of the step that follows `step` steps."""
        record_R = np.zeros(len(self._record_R), np.int64)
        record_R[0] = self._text_batches.first_position(step)
        record_R[1:2].view(np.float32)[:] = learning_rate, self._ema_weight(step)
        record_R[2:] = mask_keys(self._config, self._mask_names, step).view(np.int64).ravel()
        copy_async(self._record_R, torch.from_numpy(record_R))
        if self._resident is None:
            window_TB = torch.from_numpy(self._batches.read_window(step, self._streams))
            copy_async(self._window_TB, window_TB)
        self._masks.load(step)

    def read(self) -> StepInputs:
        """Start to compute the inputs of the step that was loaded last."""
        window_TB = self._window_TB
        if self._resident is not None:
            window_TB = self._resident[self._first + self._offsets_TB].long()
        mask_bytes = self._masks.read(self._keys_M2)
        num_targets = window_TB[1:].numel()
        return StepInputs(window_TB, mask_bytes, self._learning_rate, self._ema, num_targets)
