"""Log-probabilities of characters at temperature 1, before all filters.

Shape suffixes: B samples, V characters of the vocabulary.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class CharacterScore(NamedTuple):
    """The log-probability of a character, in nats, and those of the most likely characters."""

    code: int
    log_probability: float
    likely: Sequence[tuple[int, float]] = ()
    """Codes and log-probabilities, the most likely one first."""


def log_softmax(logits_BV: NDArray[Any]) -> NDArray[np.float64]:
    """Return the natural logarithms of the probabilities, in float64."""
    logits_BV = logits_BV.astype(np.float64)
    highest_B1 = logits_BV.max(axis=1, keepdims=True)
    totals_B1 = np.log(np.exp(logits_BV - highest_B1).sum(axis=1, keepdims=True))
    log_probabilities_BV: NDArray[np.float64] = logits_BV - highest_B1 - totals_B1
    return log_probabilities_BV


def find_likely(log_probability_V: NDArray[np.float64], count: int) -> list[tuple[int, float]]:
    """Return the codes of the most likely characters and their log-probabilities, in this order."""
    codes = np.argsort(-log_probability_V, kind="stable")[:count].tolist()
    return [(code, float(log_probability_V[code])) for code in codes]


def score_characters(
    logits_BV: NDArray[Any], codes_B: NDArray[np.int64], num_likely: int
) -> list[CharacterScore]:
    """Return the score of each sample's character, with the `num_likely` most likely ones."""
    log_probabilities_BV = log_softmax(logits_BV)
    chosen_B1 = np.take_along_axis(log_probabilities_BV, codes_B[:, None], axis=1)
    scores = map(CharacterScore, codes_B.tolist(), chosen_B1[:, 0].tolist())
    if not num_likely:
        return list(scores)
    return [
        score._replace(likely=find_likely(log_probability_V, num_likely))
        for score, log_probability_V in zip(scores, log_probabilities_BV, strict=True)
    ]


def score_character(logits_V: NDArray[Any], code: int, num_likely: int) -> CharacterScore:
    """Return the score of one character; see `score_characters`."""
    return score_characters(logits_V[None], np.array([code]), num_likely)[0]
