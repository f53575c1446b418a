"""Dynamic evaluation: adapt a model to a text while it reads the text.

Shape suffixes: N characters of the text.
"""

import copy
import functools
from types import ModuleType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from charrnn.analysis.segments import cut_segments
from charrnn.config.dynamic_evaluation import AdaptConfig
from charrnn.data.vocabulary import Codes
from charrnn.model.forward import check_length
from charrnn.model.gradient_squares import mean_squares
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
    has no loss; in documents, it has one, and so has their end. An update follows Krause et al.
    (2018), as in Melis et al. (2020): gradients divided by their root mean square, and a pull-back
    to the trained weights that is stronger for weights with larger gradients. The root mean square
    is that of the training text's gradients and of this text's gradients so far. That of a
    matrix is estimated from the mean squares of its rows and columns, as in Adafactor (Shazeer &
    Stern, 2018). If the training text's gradients are not known, as in runs of charrnn 0.1.0, the
    pull-back is the same for all weights.
    """
    config = config or AdaptConfig()
    check_length(codes_N, separator_code=model.separator_code)
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
    update = _Update(model.requires_grad_(True), config)
    state, losses = model.initial_state(1), []
    for segment in cut_segments(codes_N, config.segment, model.separator_code):
        if segment.starts_from_initial_state:
            state = model.initial_state(1)
        window_T1 = torch.from_numpy(segment.codes_T.astype(np.int64))[:, None].to(model.device)
        logits_T1V, state = model(window_T1[:-1], state)
        nats_T = cross_entropy(logits_T1V[:, 0], window_T1[1:, 0], reduction="none")
        losses.append(nats_T.detach().cpu().numpy())
        update(torch.autograd.grad(nats_T.mean(), update.parameters))
        state = state.detach()
    return np.concatenate(losses)


class _Update:
    """Update parameters from gradients; see `adapt_copy`."""

    def __init__(self, model: CharRNN, config: AdaptConfig) -> None:
        self.parameters: list[Tensor] = list(model.parameters())
        self._config, self._updates, self._prior = config, 0, 0.0
        self._trained = [parameter.detach().clone() for parameter in self.parameters]
        self._sums = [[0 * mean for mean in mean_squares(p)] for p in self._trained]
        self._ratios = [torch.ones_like(parameter) for parameter in self._trained]
        squares = model.gradient_squares
        if squares is None:
            return
        self._prior, roots = config.prior_updates, squares.relative_roots()
        for number, (name, parameter) in enumerate(model.named_parameters()):
            for total, mean in zip(self._sums[number], squares.means[name], strict=True):
                total.add_(torch.from_numpy(mean).to(parameter.device), alpha=self._prior)
            factors = [torch.from_numpy(root).to(parameter.device) for root in roots[name]]
            self._ratios[number] = _product(factors)

    @torch.no_grad()
    def __call__(self, gradients: tuple[Tensor, ...]) -> None:
        """Apply an update."""
        self._updates += 1
        pull_back, scales = self._config.pull_back_at(self._updates), []
        for gradient, sums in zip(gradients, self._sums, strict=True):
            torch._foreach_add_(sums, mean_squares(gradient))
            count = self._updates + self._prior
            scales.append(_root_mean_square([total / count for total in sums]))
        if pull_back:
            for parameter, trained, ratio in zip(
                self.parameters, self._trained, self._ratios, strict=True
            ):
                parameter.lerp_(trained, (pull_back * ratio).clamp(max=1))
        torch._foreach_addcdiv_(self.parameters, gradients, scales, value=-self._config.adapt_rate)


def _root_mean_square(means: list[Tensor]) -> Tensor:
    """Return the root mean square of each weight's gradient, estimated from those means."""
    roots = [mean.sqrt() + _EPSILON for mean in means]
    if len(roots) > 1:
        roots[0] = roots[0] / (means[0].mean().sqrt() + _EPSILON)
    return _product(roots)


def _product(factors: list[Tensor]) -> Tensor:
    """Return the products of the factors of rows and columns, or the factors of a bias."""
    return factors[0][:, None] * factors[1] if len(factors) > 1 else factors[0]
