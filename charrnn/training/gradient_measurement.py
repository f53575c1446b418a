"""Measure the mean squares of a network's gradients on its training text.

Shape suffixes: N characters of the text, T characters of a segment and of those before it, V
characters of the vocabulary.
"""

import copy
import math

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from charrnn.data.document_index import frame_documents
from charrnn.data.vocabulary import Codes
from charrnn.model.gradient_squares import GradientSquares, mean_squares
from charrnn.model.network import CharRNN

# With 4 segments, the adapted loss is that with 8, within 0.001 on the same kind of text
# (docs/experiments.md). They take a fifth of a second with the default network.
_SEGMENTS, _SEGMENT, _CONTEXT = 4, 20, 40
_SEARCHED = 1_000_000  # characters at the start of a text, from which documents are chosen
_LARGEST = 1e30  # replaces what is not finite while training diverges: such weights do not adapt


def measure_gradient_squares(model: CharRNN, codes_N: Codes) -> GradientSquares:
    """Measure the squares on segments at equal distances in a text of two characters or more."""
    measured = copy.deepcopy(model).eval().requires_grad_(True)
    parameters = dict(measured.named_parameters())
    sums = {name: [0 * mean for mean in mean_squares(p)] for name, p in parameters.items()}
    segments = _choose_segments(codes_N, model.separator_code)
    for codes_T in segments:
        x_T1 = torch.from_numpy(codes_T.astype(np.int64))[:, None].to(model.device)
        context = max(0, len(x_T1) - 1 - _SEGMENT)
        state = measured.initial_state(1)
        if context:
            with torch.no_grad():
                _, state = measured(x_T1[:context], state)
        logits_T1V, _ = measured(x_T1[context:-1], state)
        loss = cross_entropy(logits_T1V[:, 0], x_T1[context + 1 :, 0])
        gradients = torch.autograd.grad(loss, list(parameters.values()))
        for name, gradient in zip(parameters, gradients, strict=True):
            torch._foreach_add_(sums[name], mean_squares(gradient), alpha=1 / len(segments))
    return GradientSquares(
        {
            name: tuple(
                torch.nan_to_num(mean, nan=_LARGEST, posinf=_LARGEST).cpu().numpy()
                for mean in means
            )
            for name, means in sums.items()
        }
    )


def _choose_segments(codes_N: Codes, separator: int | None) -> list[Codes]:
    """Return segments at equal distances, each after the characters that give it a state.

    With the code of a `separator`, each is the start of a document, and there are more of them if
    documents are shorter than a segment.
    """
    length = _CONTEXT + _SEGMENT + 1
    starts = np.linspace(0, max(0, len(codes_N) - length), _SEGMENTS).astype(np.int64)
    if separator is None:
        return [codes_N[start : start + length] for start in starts.tolist()]
    framed_N = frame_documents(codes_N[:_SEARCHED], separator)
    separators = np.flatnonzero(framed_N == separator)
    targets = min(_SEGMENT, (len(framed_N) - 1) / (len(separators) - 1))
    count = min(len(separators) - 1, math.ceil(_SEGMENTS * _SEGMENT / targets))
    chosen = np.linspace(0, len(separators) - 2, count).astype(np.int64)
    return [
        framed_N[start : min(start + length, end + 1)]
        for start, end in zip(separators[chosen], separators[chosen + 1], strict=True)
    ]
