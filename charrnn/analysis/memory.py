"""The memory of a model: how a character k steps ago influences the prediction.

There are two measures, averaged over positions of a text. Gradient: the norm of the gradient of the
next character's log-probability with respect to the one-hot input k steps ago. It vanishes with
distance if the recurrence does not carry it (Hochreiter, 1991; Bengio, Simard and Frasconi, 1994).
Ablation: the Kullback-Leibler divergence between the predictions with the original character and
with another character of the text in its position.

Shape suffixes: T characters of a window, W windows, V characters of the vocabulary.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from charrnn.config.counts import format_count
from charrnn.data.vocabulary import Codes
from charrnn.errors import CorpusError
from charrnn.model.network import CharRNN
from charrnn.model.state import State

MAX_DISTANCE = 200
"""Default of the largest distance, in characters."""

_WINDOWS = 128
_WARM_UP = 100  # characters read before a window
_GROWTH = 1.25  # ratio of successive distances in the ablation


@dataclass(frozen=True)
class Memory:
    """The influence of a character on the prediction, by its distance in steps.

    The last character read has distance 1. `gradient` holds pairs (distance, norm of the gradient
    relative to that at distance 1), `ablation` pairs (distance, divergence in nats).
    """

    gradient: tuple[tuple[int, float], ...]
    ablation: tuple[tuple[int, float], ...]

    def reach(self, min_divergence: float) -> int:
        """Return the largest distance at which ablation gives at least this divergence in nats."""
        return max(
            (distance for distance, nats in self.ablation if nats >= min_divergence), default=0
        )


def measure_memory(model: CharRNN, codes: Codes, max_distance: int = MAX_DISTANCE) -> Memory:
    """Measure the memory of a model at positions spread evenly over a text.

    Raises `CorpusError` if the text is too short for the largest distance.
    """
    min_length = max_distance + _WARM_UP + 2
    if len(codes) < min_length:
        raise CorpusError(
            f"a text of {format_count(len(codes), 'character')} is too short to measure memory "
            f"over {format_count(max_distance, 'character')}: at least {min_length:,} are needed",
            "give a longer text",
            "give a smaller distance with --farthest",
        )
    starts_W = np.linspace(0, len(codes) - min_length, _WINDOWS).astype(np.int64)
    positions_TW = starts_W + np.arange(min_length - 1)[:, None]
    text_TW = torch.from_numpy(codes[positions_TW].astype(np.int64)).to(model.device)
    next_W = torch.from_numpy(codes[starts_W + min_length - 1].astype(np.int64)).to(model.device)
    with torch.no_grad():
        _, state = model(text_TW[:_WARM_UP], model.initial_state(_WINDOWS))
    window_TW = text_TW[_WARM_UP:]
    positions_W = np.random.default_rng(0).permutation(len(codes))[:_WINDOWS]
    replacements_W = torch.from_numpy(codes[positions_W]).to(window_TW)
    return Memory(
        _measure_gradients(model, window_TW, next_W, state)[:max_distance],
        _measure_ablations(model, window_TW, replacements_W, state, max_distance),
    )


def _measure_gradients(
    model: CharRNN, window_TW: Tensor, next_W: Tensor, state: State
) -> tuple[tuple[int, float], ...]:
    inputs_TWV = one_hot(window_TW, len(model.vocabulary)).to(model.output.weight.dtype)
    inputs_TWV.requires_grad_(True)
    logits_TWV, _ = model(inputs_TWV, state)
    log_p_WV = logits_TWV[-1].log_softmax(-1)
    (gradient_TWV,) = torch.autograd.grad(log_p_WV.gather(1, next_W[:, None]).sum(), inputs_TWV)
    norms_T = gradient_TWV.norm(dim=2).mean(dim=1).flip(0).double()
    relative_T = norms_T / norms_T[0].clamp(min=1e-300)
    return tuple(enumerate(relative_T.tolist(), start=1))


@torch.no_grad()
def _measure_ablations(
    model: CharRNN, window_TW: Tensor, replacements_W: Tensor, state: State, max_distance: int
) -> tuple[tuple[int, float], ...]:
    length, divergences = len(window_TW), []
    steps_read, states = 0, dict[int, State]()
    for distance in reversed(_distances(max_distance)):
        if length - distance > steps_read:
            _, state = model(window_TW[steps_read : length - distance], state)
            steps_read = length - distance
        states[distance] = state
    logits_TWV, _ = model(window_TW[steps_read:], state)
    log_p_WV = logits_TWV[-1].double().log_softmax(-1)
    for distance in _distances(max_distance):
        changed_TW = window_TW[-distance:].clone()
        changed_TW[0] = replacements_W
        logits_TWV, _ = model(changed_TW, states[distance])
        log_q_WV = logits_TWV[-1].double().log_softmax(-1)
        divergence_W = (log_p_WV.exp() * (log_p_WV - log_q_WV)).sum(-1)
        divergences.append((distance, max(0.0, float(divergence_W.mean()))))
    return tuple(divergences)


def _distances(max_distance: int) -> list[int]:
    """Return the distances to measure: at first consecutive, then with the ratio `_GROWTH`."""
    distances = [1]
    while distances[-1] < max_distance:
        next_distance = max(distances[-1] + 1, round(distances[-1] * _GROWTH))
        distances.append(min(max_distance, next_distance))
    return distances
