"""Measure the mean squares of a network's gradients on its training text.

Shape suffixes: N characters of the text, P positions, T characters of a segment, V characters of
the vocabulary.
"""

import copy

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from charrnn.data.vocabulary import Codes
from charrnn.model.gradient_squares import GradientSquares, mean_squares
from charrnn.model.network import CharRNN

# With 4 segments the adapted loss was as low as with 500 (docs/experiments.md). They take a fifth
# of a second with the default network.
_SEGMENTS, _SEGMENT, _CONTEXT = 4, 20, 40
_LARGEST = 1e30  # replaces what is not finite while training diverges: such weights do not adapt


def measure_gradient_squares(model: CharRNN, codes_N: Codes) -> GradientSquares:
    """Measure the squares on segments at equal distances in a text of two characters or more."""
    measured = copy.deepcopy(model).eval().requires_grad_(True)
    parameters = dict(measured.named_parameters())
    segment = min(_SEGMENT, len(codes_N) - 1)
    context = min(_CONTEXT, len(codes_N) - 1 - segment)
    starts_P = np.linspace(0, len(codes_N) - 1 - segment - context, _SEGMENTS).astype(np.int64)
    rows_T1 = np.arange(context + segment + 1)[:, None]
    x_TP = torch.from_numpy(codes_N[starts_P + rows_T1].astype(np.int64)).to(model.device)
    state = measured.initial_state(_SEGMENTS)
    if context:
        with torch.no_grad():
            _, state = measured(x_TP[:context], state)
    sums = {name: [0 * mean for mean in mean_squares(p)] for name, p in parameters.items()}
    for position in range(_SEGMENTS):
        x_T1 = x_TP[context:, position : position + 1]
        logits_T1V, _ = measured(x_T1[:-1], state.select_streams([position]))
        loss = cross_entropy(logits_T1V[:, 0], x_T1[1:, 0])
        gradients = torch.autograd.grad(loss, list(parameters.values()))
        for name, gradient in zip(parameters, gradients, strict=True):
            torch._foreach_add_(sums[name], mean_squares(gradient), alpha=1 / _SEGMENTS)
    return GradientSquares(
        {
            name: tuple(
                torch.nan_to_num(mean, nan=_LARGEST, posinf=_LARGEST).cpu().numpy()
                for mean in means
            )
            for name, means in sums.items()
        }
    )
