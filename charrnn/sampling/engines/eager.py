"""The engine that calls the torch model, on any device."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from charrnn.data.vocabulary import Codes
from charrnn.model.forward import forward_chunks
from charrnn.model.network import CharRNN
from charrnn.model.state import State
from charrnn.sampling.engines.interface import Rows, RowSamplingEngine, add_separator
from charrnn.sampling.filters import Filters, distribution, sample_codes

_CHUNK = 1024  # characters of a prompt read in one call; bounds the memory


class EagerEngine(RowSamplingEngine):
    """Run a `CharRNN` one character at a time; see `SamplingEngine`."""

    copies_weights = False
    """Whether the engine copies the weights when it is created. Otherwise it uses the current
    weights of the model, also after they were updated in place."""

    def __init__(self, model: CharRNN) -> None:
        self.vocabulary = model.vocabulary
        self.line_start, self.separator_code = model.line_start, model.separator_code
        self._model = model

    max_prompt_in_rows = 0

    def initial_state(self) -> State:
        """Return the state of one text before its first character."""
        return self._model.initial_state(1)

    def make_rows(self) -> Rows:
        """Return rows without a text."""
        return EagerRows(self)

    def read(self, codes_T: Codes) -> tuple[NDArray[np.float32], State]:
        """Read a prompt from the initial state; see `SamplingEngine`."""
        return self._read_prompt(add_separator(codes_T, self.separator_code))

    def _read_prompt(self, codes_T: Codes) -> tuple[NDArray[np.float32], State]:
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


class EagerRows(Rows):
    """One row: the products of torch depend on the number of rows."""

    max_rows = 1

    def __init__(self, engine: EagerEngine) -> None:
        self._engine = engine
        self._states: list[State] = []

    def append(self, states: Sequence[State]) -> None:
        """Add rows; see `Rows`."""
        self._states += states

    def keep(self, rows_B: NDArray[np.int64]) -> None:
        """Keep only these rows."""
        self._states = [self._states[row] for row in rows_B]

    def state(self, row: int) -> State:
        """Return the state of a row, which later steps do not change."""
        return self._states[row]

    def advance(self, codes_B: NDArray[np.int64]) -> NDArray[np.float32]:
        """Read one character for each row."""
        (state,) = self._states
        logits_BV, state = self._engine.step(state, codes_B)
        self._states = [state]
        return logits_BV

    def draw(
        self, logits_BV: NDArray[np.float32], filters: Filters, uniforms_B: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """Sample one code for each row."""
        codes_B: NDArray[np.int64] = sample_codes(distribution(logits_BV, filters), uniforms_B)
        return codes_B


def _numpy(logits_BV: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = logits_BV.float().cpu().numpy()
    return array
