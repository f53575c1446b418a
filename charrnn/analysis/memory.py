"""The memory of a model: how a character k steps ago influences the prediction.

There are two measures, averaged over positions of a text. Gradient: the norm of the gradient of the
next character's log-probability with respect to the one-hot input k steps ago. It vanishes with
distance if the recurrence does not carry it (Hochreiter, 1991; Bengio, Simard and Frasconi, 1994).
Ablation: the Kullback-Leibler divergence between the predictions with the original character and
with another character of the text in its position.

Shape suffixes: T characters of a window, W windows, V characters of the vocabulary.
"""

import copy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import one_hot

from charrnn.config.counts import format_count
from charrnn.data.document_index import locate_documents
from charrnn.data.progress import ProgressCallback, ProgressReporter, Reading
from charrnn.data.vocabulary import Codes
from charrnn.errors import CorpusError
from charrnn.model.network import CharRNN
from charrnn.model.state import State

MAX_DISTANCE = 200
"""Default of the largest distance, in characters."""

_WINDOWS = 128
_WARM_UP = 100  # characters read before a window
_GRADIENT_TASK = "measuring how far back the model remembers, by gradient"
_REPLACEMENT_TASK = "measuring how far back the model remembers, by replacement"
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


def measure_memory(
    model: CharRNN,
    codes: Codes,
    max_distance: int = MAX_DISTANCE,
    progress: ProgressCallback | None = None,
) -> Memory:
    """Measure the memory of a model at positions spread evenly over a text, or over its documents.

    Raises `CorpusError` if the text is too short for the largest distance.
    """
    min_length = max_distance + _WARM_UP + 2
    starts_W = _choose_windows(model, codes, min_length, max_distance)
    positions_TW = starts_W + np.arange(min_length - 1)[:, None]
    text_TW = torch.from_numpy(codes[positions_TW].astype(np.int64)).to(model.device)
    next_W = torch.from_numpy(codes[starts_W + min_length - 1].astype(np.int64)).to(model.device)
    report = ProgressReporter(progress)
    report(Reading(_GRADIENT_TASK, 0, 1))
    with torch.no_grad():
        _, state = model(text_TW[:_WARM_UP], model.initial_state(_WINDOWS))
    window_TW = text_TW[_WARM_UP:]
    positions_W = np.resize(np.random.default_rng(0).permutation(len(codes)), _WINDOWS)
    replacements_W = torch.from_numpy(codes[positions_W]).to(window_TW)
    distances = _distances(max_distance)
    norms_T, log_p_WV, states = _measure_gradients(model, window_TW, next_W, state, distances)
    relative_T = norms_T / norms_T[0].clamp(min=1e-300)
    divergences: list[float] = []
    characters = 0
    for distance in distances:
        report(Reading(_REPLACEMENT_TASK, characters, sum(distances)))
        characters += distance
        changed_TW = window_TW[-distance:].clone()
        changed_TW[0] = replacements_W
        divergences.append(_measure_divergence(model, changed_TW, states[distance], log_p_WV))
    return Memory(
        tuple(enumerate(relative_T[:max_distance].tolist(), start=1)),
        tuple(zip(distances, divergences, strict=True)),
    )


def _measure_gradients(
    model: CharRNN, window_TW: Tensor, next_W: Tensor, state: State, distances: list[int]
) -> tuple[Tensor, Tensor, dict[int, State]]:
    """Return the mean norms of the gradients (T), the latest character first.

    The other results are the log-probabilities (W, V) of the next character, and the state before
    the character at each distance.
    """
    frozen_model = copy.deepcopy(model).requires_grad_(False)  # only inputs need gradients
    inputs_TWV = one_hot(window_TW, len(model.vocabulary)).to(model.output.weight.dtype)
    inputs_TWV.requires_grad_(True)
    steps_read, states = 0, {}
    for distance in reversed(distances):
        end = len(window_TW) - distance
        _, state = frozen_model(inputs_TWV[steps_read:end], state)
        steps_read, states[distance] = end, state.detach()
    logits_TWV, _ = frozen_model(inputs_TWV[steps_read:], state)
    log_p_WV = logits_TWV[-1].log_softmax(-1)
    (gradient_TWV,) = torch.autograd.grad(log_p_WV.gather(1, next_W[:, None]).sum(), inputs_TWV)
    norms_T = gradient_TWV.norm(dim=2).mean(dim=1).flip(0).double()
    return norms_T, logits_TWV[-1].detach().double().log_softmax(-1), states


@torch.no_grad()
def _measure_divergence(
    model: CharRNN, changed_TW: Tensor, state: State, log_p_WV: Tensor
) -> float:
    """Return the mean divergence in nats of the predictions after other characters."""
    logits_TWV, _ = model(changed_TW, state)
    log_q_WV = logits_TWV[-1].double().log_softmax(-1)
    divergence_W = (log_p_WV.exp() * (log_p_WV - log_q_WV)).sum(-1)
    return max(0.0, float(divergence_W.mean()))


def _choose_windows(
    model: CharRNN, codes: Codes, min_length: int, max_distance: int
) -> NDArray[np.int64]:
    """Return the positions where windows of `min_length` characters start, each in a document."""
    starts_D, ends_D = np.array([0]), np.array([len(codes)])
    if model.separator_code is not None:
        index = locate_documents(codes, model.separator_code)
        starts_D, ends_D = index.starts_D, index.ends_D
    num_starts_D = np.maximum(ends_D - starts_D - min_length + 1, 0)
    if not num_starts_D.sum():
        longest = format_count(int((ends_D - starts_D).max(initial=0)), "character")
        text = f"a text of {longest}"
        if model.separator_code is not None:
            text = f"the longest document, of {longest},"
        raise CorpusError(
            f"{text} is too short to measure memory over "
            f"{format_count(max_distance, 'character')}: at least {min_length:,} are needed",
            "give a longer text",
            "give a smaller distance with --farthest",
        )
    chosen_W = np.linspace(0, num_starts_D.sum() - 1, _WINDOWS).astype(np.int64)
    document_W = np.searchsorted(np.cumsum(num_starts_D), chosen_W, "right")
    first_D = np.cumsum(num_starts_D) - num_starts_D
    starts_W: NDArray[np.int64] = starts_D[document_W] + chosen_W - first_D[document_W]
    return starts_W


def _distances(max_distance: int) -> list[int]:
    """Return the distances to measure: at first consecutive, then with the ratio `_GROWTH`."""
    distances = [1]
    while distances[-1] < max_distance:
        next_distance = max(distances[-1] + 1, round(distances[-1] * _GROWTH))
        distances.append(min(max_distance, next_distance))
    return distances
