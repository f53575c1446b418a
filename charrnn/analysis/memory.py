"""How far back a model remembers: what the character k steps ago still does to the forecast.

Two measures, averaged over places of a text. By gradient: the length of the gradient of the next
character's log-probability with respect to the one-hot input k steps ago; it vanishes with k where
a recurrence cannot carry it (Hochreiter, 1991; Bengio, Simard and Frasconi, 1994). By ablation: how
far the forecast moves when that character is replaced by another one of the text, as the
Kullback-Leibler divergence of the two forecasts.

Shape suffixes: T characters of a window, W windows, V characters of the vocabulary.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from charrnn.data.vocabulary import Codes
from charrnn.errors import CorpusError
from charrnn.model.network import CharRNN
from charrnn.model.state import State

FARTHEST = 200
"""Characters back that are looked at, unless told otherwise."""

_WINDOWS = 128
_WARM_UP = 100  # characters read before a window
_GROWTH = 1.25  # from one distance of the ablation to the next


@dataclass(frozen=True)
class Memory:
    """The influence of characters on the forecast, by how many steps ago they were read.

    The last character read is 1 step ago. `gradient` holds (distance, length of the gradient
    relative to that of 1 step), `ablation` (distance, divergence in nats).
    """

    gradient: tuple[tuple[int, float], ...]
    ablation: tuple[tuple[int, float], ...]

    def reach(self, least: float) -> int:
        """Return the farthest distance at which ablation moves the forecast by so many nats."""
        return max((k for k, divergence in self.ablation if divergence >= least), default=0)


def memory(model: CharRNN, codes: Codes, farthest: int = FARTHEST) -> Memory:
    """Return how far back a model remembers, at places spread evenly over a text.

    Raises `CorpusError` for a text too short to look so far back.
    """
    needed = farthest + _WARM_UP + 2
    if len(codes) < needed:
        raise CorpusError(
            f"a text of {len(codes):,} characters is too short to look {farthest} characters back: "
            f"at least {needed:,} are needed"
        )
    starts_W = np.linspace(0, len(codes) - needed, _WINDOWS).astype(np.int64)
    places_TW = starts_W + np.arange(needed - 1)[:, None]
    text_TW = torch.from_numpy(codes[places_TW].astype(np.int64)).to(model.device)
    next_W = torch.from_numpy(codes[starts_W + needed - 1].astype(np.int64)).to(model.device)
    with torch.no_grad():
        _, state = model(text_TW[:_WARM_UP], model.initial_state(_WINDOWS))
    window_TW = text_TW[_WARM_UP:]
    others_W = torch.from_numpy(codes[np.random.default_rng(0).permutation(len(codes))[:_WINDOWS]])
    return Memory(
        _by_gradient(model, window_TW, next_W, state)[:farthest],
        _by_ablation(model, window_TW, others_W.to(window_TW), state, farthest),
    )


def _by_gradient(
    model: CharRNN, window_TW: Tensor, next_W: Tensor, state: State
) -> tuple[tuple[int, float], ...]:
    inputs_TWV = one_hot(window_TW, len(model.vocabulary)).to(model.output.weight.dtype)
    inputs_TWV.requires_grad_(True)
    logits_TWV, _ = model(inputs_TWV, state)
    log_p_WV = logits_TWV[-1].log_softmax(-1)
    (gradient_TWV,) = torch.autograd.grad(log_p_WV.gather(1, next_W[:, None]).sum(), inputs_TWV)
    lengths_T = gradient_TWV.norm(dim=2).mean(dim=1).flip(0).double()
    relative_T = lengths_T / lengths_T[0].clamp(min=1e-300)
    return tuple(enumerate(relative_T.tolist(), start=1))


@torch.no_grad()
def _by_ablation(
    model: CharRNN, window_TW: Tensor, others_W: Tensor, state: State, farthest: int
) -> tuple[tuple[int, float], ...]:
    length, found = len(window_TW), []
    done, states = 0, dict[int, State]()
    for distance in reversed(_distances(farthest)):
        if length - distance > done:
            _, state = model(window_TW[done : length - distance], state)
            done = length - distance
        states[distance] = state
    logits_TWV, _ = model(window_TW[done:], state)
    log_p_WV = logits_TWV[-1].double().log_softmax(-1)
    for distance in _distances(farthest):
        changed_TW = window_TW[-distance:].clone()
        changed_TW[0] = others_W
        logits_TWV, _ = model(changed_TW, states[distance])
        log_q_WV = logits_TWV[-1].double().log_softmax(-1)
        divergence_W = (log_p_WV.exp() * (log_p_WV - log_q_WV)).sum(-1)
        found.append((distance, max(0.0, float(divergence_W.mean()))))
    return tuple(found)


def _distances(farthest: int) -> list[int]:
    """Return the distances looked at: all the near ones, the far ones ever sparser."""
    distances = [1]
    while distances[-1] < farthest:
        distances.append(min(farthest, max(distances[-1] + 1, round(distances[-1] * _GROWTH))))
    return distances
