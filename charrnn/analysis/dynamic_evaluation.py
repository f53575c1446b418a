"""Dynamic evaluation: adapt a model to a text while it reads the text.

Shape suffixes: N characters of the text.
"""

import copy
import functools
from types import ModuleType

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

from charrnn.config.dynamic_evaluation import AdaptConfig
from charrnn.data.vocabulary import Codes
from charrnn.model.forward import check_length
from charrnn.model.loading import load_checkpoint
from charrnn.model.network import CharRNN
from charrnn.runs.checkpoint import Checkpoint

_EPSILON = 1e-8  # keeps an update finite if all gradients of a weight have been zero


def load_adapted(checkpoint: Checkpoint, codes_N: Codes, device: str) -> CharRNN:
    """Load a checkpoint's model and adapt it to a text; see `adapt_copy`."""
    return adapt_copy(load_checkpoint(checkpoint, device), codes_N)[0]


def adapt_copy(
    model: CharRNN, codes_N: Codes, config: AdaptConfig | None = None
) -> tuple[CharRNN, NDArray[np.float32]]:
    """Adapt a copy of the model to a text; return the copy and the losses on the text.

    The model predicts each segment of `segment` characters before it learns from it. So each loss,
    in nats, is that of a character that the model has not yet learned from. The first character
    has no loss. An update follows Krause et al. (2018), as in Melis et al. (2020): gradients
    divided by their root mean square so far, and a decay toward the trained weights. The root mean
    square of a matrix is estimated from the mean squares of its rows and columns, as in Adafactor
    (Shazeer & Stern, 2018).
    """
    config = config or AdaptConfig()
    check_length(codes_N)
    adapted = copy.deepcopy(model)
    engine = _compiled_engine()
    if engine and model.is_lstm_on_cpu and config.segment <= engine.MAX_SEGMENT:
        nats_N = engine.adapt(adapted, codes_N, config)
    else:
        nats_N = _adapt_with_autograd(adapted, codes_N, config)
    return adapted.requires_grad_(False), nats_N


@functools.cache
def _compiled_engine() -> ModuleType | None:
    """Return the compiled implementation; None if numba, which compiles it, is not installed."""
    try:
        from charrnn.analysis import compiled_adaptation
    except ImportError:
        return None
    return compiled_adaptation


def _adapt_with_autograd(
    model: CharRNN, codes_N: Codes, config: AdaptConfig
) -> NDArray[np.float32]:
    """Adapt a model to a text with the operations of torch; return the losses on the text."""
    parameters: list[torch.Tensor] = list(model.requires_grad_(True).parameters())
    trained = [parameter.detach().clone() for parameter in parameters]
    squares = [[torch.zeros_like(mean) for mean in _mean_squares(p)] for p in trained]
    codes_N1 = torch.from_numpy(codes_N.astype(np.int64))[:, None].to(model.device)
    state, losses = model.initial_state(1), []
    for number, first in enumerate(range(0, len(codes_N) - 1, config.segment)):
        window_T1 = codes_N1[first : first + config.segment + 1]
        logits_T1V, state = model(window_T1[:-1], state)
        nats_T = cross_entropy(logits_T1V[:, 0], window_T1[1:, 0], reduction="none")
        losses.append(nats_T.detach().cpu().numpy())
        gradients = torch.autograd.grad(nats_T.mean(), parameters)
        state = state.detach()
        _update(parameters, trained, squares, gradients, number + 1, config)
    return np.concatenate(losses)


@torch.no_grad()
def _update(
    parameters: list[torch.Tensor],
    trained: list[torch.Tensor],
    squares: list[list[torch.Tensor]],
    gradients: tuple[torch.Tensor, ...],
    count: int,
    config: AdaptConfig,
) -> None:
    """Apply update number `count`, from 1, to the parameters and their sums of squares."""
    scales = []
    for gradient, sums in zip(gradients, squares, strict=True):
        torch._foreach_add_(sums, _mean_squares(gradient))
        scales.append(_root_mean_square([total / count for total in sums]))
    torch._foreach_lerp_(parameters, trained, config.pull_back_at(count))
    torch._foreach_addcdiv_(parameters, gradients, scales, value=-config.adapt_rate)


def _mean_squares(gradient: torch.Tensor) -> list[torch.Tensor]:
    """Return the mean squares of a matrix' rows and columns, or the squares of a bias' elements."""
    squares = gradient.square()
    if squares.dim() == 1:
        return [squares]
    return [squares.mean(1, keepdim=True), squares.mean(0, keepdim=True)]


def _root_mean_square(means: list[torch.Tensor]) -> torch.Tensor:
    """Return the root mean square of each weight's gradient, estimated from those means."""
    roots = [mean.sqrt() + _EPSILON for mean in means]
    if len(roots) == 1:
        return roots[0]
    return roots[0] * roots[1] / (means[0].mean().sqrt() + _EPSILON)
