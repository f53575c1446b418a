"""The mean prediction of trained networks, from which another network learns (distillation).

Shape suffixes: T steps in time, B streams, V characters of the vocabulary, L layers, H units.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from charrnn.model.network import CharRNN
from charrnn.numerics.precision import autocast
from charrnn.numerics.threads import map_streams


class Teachers:
    """Trained networks that read the same streams as the network of a run.

    Each has its own carried state, at a fixed address, so that a CUDA graph can contain it.
    """

    def __init__(self, models: Sequence[CharRNN], streams: int, precision: str) -> None:
        self.models = tuple(models)
        self.states = tuple(model.initial_state(streams) for model in models)
        self._precision = precision

    @torch.no_grad()
    def predict(self, x_TB: Tensor) -> Tensor:
        """Read characters; return the mean of the probabilities after each: (T, B, V)."""
        if x_TB.device.type != "cpu":
            return self._predict_part(x_TB, slice(0, x_TB.shape[1]))
        parts = map_streams(lambda part: self._predict_part(x_TB, part), x_TB.shape[1])
        return torch.cat(parts, dim=1)

    def _predict_part(self, x_TB: Tensor, part: slice) -> Tensor:
        """Return the predictions for a part of the streams, and update its state."""
        sum_TBV: Tensor | None = None
        for model, state in zip(self.models, self.states, strict=True):
            before = state.select_streams(part)
            with autocast(model.device, self._precision):
                logits_TBV, after = model(x_TB[:, part], before)
            torch._foreach_copy_(before.parts_LBH, after.parts_LBH)
            probabilities_TBV = torch.softmax(logits_TBV.float(), 2)
            sum_TBV = probabilities_TBV if sum_TBV is None else sum_TBV + probabilities_TBV
        assert sum_TBV is not None
        return sum_TBV / len(self.models)
