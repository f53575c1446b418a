"""Dynamic evaluation of an LSTM on a CPU, compiled: several times as fast as with autograd.

The gradient of a weight matrix is a product of two factors with as many columns as a segment has
characters. It is computed inside the pass that updates the weights, tile by tile, and never stored.
The recurrent products read a bfloat16 copy of the weights, which the same pass writes.
"""

import time
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from charrnn.analysis.adaptation_arrays import make_arrays
from charrnn.analysis.adaptation_kernels import (
    ASLEEP,
    HELPER_DONE,
    ROLE_HELP,
    ROLE_LEARN,
    ROLE_WAIT,
    WORDS,
    list_jobs,
    run,
)
from charrnn.analysis.segments import cut_segments
from charrnn.config.dynamic_evaluation import AdaptConfig
from charrnn.data.vocabulary import Codes
from charrnn.model.gradient_squares import Means
from charrnn.model.network import CharRNN
from charrnn.numerics.cpu import available_cores
from charrnn.numerics.helper_thread import HelperThread
from charrnn.recurrence.cpu.matmul import as_array

MAX_SEGMENT = 512  # characters; the work per character grows with the segment
_STEP_MULTIPLE = 4  # the number of steps of the arrays is a multiple of this
_PAUSE = 5e-5  # seconds between two checks whether a helper that lost its core has finished


def adapt(model: CharRNN, codes_N: Codes, config: AdaptConfig) -> NDArray[np.float32]:
    """Adapt a model to a text in place; return the losses as `adapt_copy` does."""
    adaptation = CompiledAdaptation(model, min(config.segment, len(codes_N) + 1), config)
    nats = []
    for segment in cut_segments(codes_N, config.segment, model.separator_code):
        if segment.starts_from_initial_state:
            adaptation.reset_state()
        nats.append(adaptation.learn(segment.codes_T))
    adaptation.copy_weights_to(model)
    return np.concatenate(nats)


class CompiledAdaptation:
    """A copy of the weights of a model, which learns from the segments of a text in order."""

    @torch.no_grad()
    def __init__(
        self, model: CharRNN, segment: int, config: AdaptConfig, use_helper: bool | None = None
    ) -> None:
        """Copy the weights. `use_helper` None uses a second thread if torch uses several."""
        parameters = _list_parameters(model)
        recurrent = [model.layer_weights(n).weight_hh_GH for n in range(model.config.num_layers)]
        self._arrays = make_arrays(
            model.config,
            torch.cat([parameter.flatten() for parameter in parameters]).numpy().copy(),
            as_array(torch.stack(recurrent).bfloat16()).copy(),
            len(model.vocabulary),
            -(-segment // _STEP_MULTIPLE) * _STEP_MULTIPLE,
            WORDS,
        )
        self._arrays.settings[0] = config.adapt_rate
        self._config, self._helper, self._length = config, None, 0
        self._updates, self._prior = 0, 0.0
        if model.gradient_squares:
            self._prior = config.prior_updates
            self._arrays.squares_S[:] = self._prior * _flatten(model, model.gradient_squares.means)
            self._arrays.ratios_S[:] = _flatten(model, model.gradient_squares.relative_roots())
        if use_helper is None:
            use_helper = min(torch.get_num_threads(), available_cores()) > 1
        if use_helper:
            arrays = self._arrays
            self._helper = HelperThread(
                self, lambda: run(ROLE_HELP, 0, arrays), "charrnn-adaptation"
            )
        self._arrays.words[HELPER_DONE] = ASLEEP

    def learn(self, codes_T: Codes) -> NDArray[np.float32]:
        """Return the losses of a segment's characters except the first, then learn from them."""
        arrays, length = self._arrays, len(codes_T) - 1
        arrays.codes_T[: length + 1] = codes_T
        self._updates += 1
        pull_back = self._config.pull_back_at(self._updates)
        arrays.settings[1:] = pull_back, self._updates + self._prior
        if length != self._length:
            self._set_length(length)
        if self._helper and arrays.words[HELPER_DONE] == ASLEEP:
            self._helper.wake()
        is_updated = run(ROLE_LEARN, length, arrays)
        while not is_updated:
            time.sleep(_PAUSE)
            is_updated = run(ROLE_WAIT, length, arrays)
        for state_LTH in (arrays.hidden_LTH, arrays.cells_LTH):
            state_LTH[:, 0] = state_LTH[:, length]
        return arrays.nats_T[:length].copy()

    def reset_state(self) -> None:
        """Continue from the initial state."""
        for state_LTH in (self._arrays.hidden_LTH, self._arrays.cells_LTH):
            state_LTH[:, 0] = 0

    def _set_length(self, length: int) -> None:
        """Set the number of steps of the next segments."""
        jobs = list_jobs(self._arrays, length)
        self._arrays.jobs[:, 0] = -1
        self._arrays.jobs[: len(jobs)] = jobs
        self._length = length

    @torch.no_grad()
    def copy_weights_to(self, model: CharRNN) -> None:
        """Set the parameters of a model to the adapted weights."""
        parameters = _list_parameters(model)
        weights_N = torch.from_numpy(self._arrays.weights_N)
        parts = torch.split(weights_N, [parameter.numel() for parameter in parameters])
        for parameter, part in zip(parameters, parts, strict=True):
            parameter.copy_(part.view_as(parameter))


def _list_names(model: CharRNN) -> list[str]:
    """Return the names of the parameters as in `charrnn.analysis.adaptation_arrays.weight_shapes`.

    The first is that of the table, whose rows and columns are exchanged.
    """
    kinds, layers = ("weight_ih", "weight_hh", "bias_ih", "bias_hh"), range(model.config.num_layers)
    by_kind = [f"{kind}_l{layer}" for kind in kinds for layer in layers]
    return [*by_kind, "output.weight", "output.bias"]


def _list_parameters(model: CharRNN) -> list[torch.Tensor]:
    """Return the parameters in the order of `_list_names`."""
    parameters = dict(model.named_parameters())
    table_GV, *others = [parameters[name] for name in _list_names(model)]
    return [table_GV.T, *others]


def _flatten(model: CharRNN, factors: Mapping[str, Means]) -> NDArray[np.float32]:
    """Return factors of rows and columns in the order of `Arrays.squares_S`."""
    table, *others = [factors[name] for name in _list_names(model)]
    one = np.ones(1, np.float32)  # the factor of the only row of a bias
    parts = [table[::-1], *(part if len(part) > 1 else (one, *part) for part in others)]
    return np.concatenate([factor for part in parts for factor in part])
