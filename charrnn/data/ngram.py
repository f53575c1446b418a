"""What counting alone foretells: an interpolated n-gram model, the measure of a network's worth.

Shape suffixes: N characters of a text.
"""

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.data.vocabulary import Codes

ORDER = 5  # characters of an n-gram, the foretold one included
_MOST = 5_000_000  # characters counted, the last of the text: some seconds

Numbers = NDArray[np.int64]


class _Level:
    """The n-grams of one length: which there are, how often, and how often what goes before."""

    def __init__(self, contexts_N: Numbers, codes_N: Numbers, num_contexts: int, size: int) -> None:
        self._size = size
        self.grams: Numbers
        self.places: Numbers  # of the counted text: which n-gram is there
        self.grams, self.places, self._counts = np.unique(
            contexts_N * size + codes_N, return_inverse=True, return_counts=True
        )
        self._followers = np.bincount(self.grams // size, minlength=num_contexts)
        self._totals = np.bincount(contexts_N, minlength=num_contexts)

    def look_up(self, contexts_N: Numbers, codes_N: Numbers) -> Numbers:
        """Return the number of each n-gram, -1 where it is unknown."""
        grams_N = contexts_N * self._size + codes_N
        numbers_N = np.searchsorted(self.grams, grams_N).clip(0, len(self.grams) - 1)
        known_N = (contexts_N >= 0) & (self.grams[numbers_N] == grams_N)
        return np.where(known_N, numbers_N, -1)

    def sharpen(
        self, probability_N: NDArray[Any], contexts_N: Numbers, numbers_N: Numbers
    ) -> NDArray[Any]:
        """Mix what was counted after each context with what shorter ones say."""
        followed_N = (contexts_N >= 0) & (self._totals[contexts_N] > 0)
        followers_N = self._followers[contexts_N]
        counts_N = np.where(numbers_N >= 0, self._counts[numbers_N], 0)
        seen_N = (self._totals[contexts_N] + followers_N).clip(1)
        mixed_N = (counts_N + followers_N * probability_N) / seen_N
        return np.where(followed_N, mixed_N, probability_N)


def baseline_nats(training: Codes, held_out: Codes, vocabulary_size: int) -> float:
    """Return the loss, in nats per character, of a 5-gram model on the held-out text.

    Its probabilities are interpolated by Witten and Bell (1991), method C: the weight of shorter
    contexts is the number of distinct characters seen after this one. Every character but the first
    is foretold, as by `charrnn.score`.
    """
    counted_N = np.asarray(training[-_MOST:], dtype=np.int64)
    foretold_N = np.asarray(held_out, dtype=np.int64)
    probability_N = np.full(len(foretold_N), 1 / vocabulary_size)
    known_N = np.zeros(len(counted_N), dtype=np.int64)  # the contexts: at first the empty one
    asked_N = np.zeros(len(foretold_N), dtype=np.int64)
    num_contexts = 1
    for length in itertools.count(1):
        level = _Level(known_N, counted_N[length - 1 :], num_contexts, vocabulary_size)
        numbers_N = level.look_up(asked_N, foretold_N)
        probability_N = level.sharpen(probability_N, asked_N, numbers_N)
        if length == ORDER or len(known_N) == 1:
            break
        # The next level's contexts are this level's n-grams, each one character further on.
        num_contexts = len(level.grams)
        known_N = level.places[:-1]
        asked_N = np.concatenate([[-1], numbers_N[:-1]])
    return float(-np.log(probability_N[1:]).mean())
