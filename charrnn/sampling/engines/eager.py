"""The engine that calls the torch model, on any device."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from charrnn.data.vocabulary import Codes
from charrnn.model.forward import forward_chunks
from charrnn.model.network import CharRNN
from charrnn.model.state import State
from charrnn.sampling.engines.interface import SamplingEngine, add_separator

_CHUNK = 1024  # characters of a prompt read in one call; bounds the memory


class EagerEngine(SamplingEngine):
    """Run a `CharRNN` one character at a time; see `SamplingEngine`."""

    copies_weights = False
    """Whether the engine copies the weights when it is created. Otherwise it uses the current
    weights of the model, also after they were updated in place."""

    def __init__(self, model: CharRNN) -> None:
        self.vocabulary = model.vocabulary
        self.line_start, self.separator_code = model.line_start, model.separator_code
        self._model = model

    def read(self, codes_T: Codes) -> tuple[NDArray[np.float32], State]:
        """Read a prompt from the initial state; see `SamplingEngine`."""
        codes_T = add_separator(codes_T, self.separator_code)
        for chunk in forward_chunks(self._model, codes_T[:, None], _CHUNK):
            logits_BV, state = chunk.logits_TBV[-1], chunk.state
        return _numpy(logits_BV), state

    @torch.inference_mode()
    def select_samples(self, state: State, samples_B: NDArray[np.int64]) -> State:
        """Return the state of the samples with these numbers."""
        return state.select_streams(samples_B.tolist())

    @torch.inference_mode()
    def step(self, state: State, codes_B: NDArray[np.int64]) -> tuple[NDArray[np.float32], State]:
        """Read one character for each sample."""
        x_1B = torch.from_numpy(codes_B)[None].to(self._model.device)
        logits_1BV, state = self._model(x_1B, state)
        return _numpy(logits_1BV[0]), state


def _numpy(logits_BV: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = logits_BV.float().cpu().numpy()
    return array
