"""An interpolated n-gram model, whose loss is the baseline for a network.

Shape suffixes: N characters of a text.
"""

import itertools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.data.document_index import frame_documents
from charrnn.data.vocabulary import Codes

ORDER = 5  # characters of an n-gram, including the predicted one
_MAX_TRAINING_CHARACTERS = 5_000_000  # the last ones of the text; takes a few seconds

Indices = NDArray[np.int64]


class _NgramTable:
    """All n-grams of one length, the number of times that each occurs, and their contexts.

    A context is all characters of an n-gram except the last one. It is stored as the index of the
    n-gram in the table of the next shorter length; -1 means that it does not occur there, or is not
    in one document.
    """

    def __init__(self, contexts_N: Indices, codes_N: Indices, num_contexts: int, size: int) -> None:
        self._size = size
        self.ngrams: Indices
        is_known_N = contexts_N >= 0
        self.ngrams, indices, self._counts = np.unique(
            (contexts_N * size + codes_N)[is_known_N], return_inverse=True, return_counts=True
        )
        # The index of the n-gram at each position of the training text.
        self.indices_N: Indices = np.full(len(contexts_N), -1)
        self.indices_N[is_known_N] = indices
        self._num_followers = np.bincount(self.ngrams // size, minlength=num_contexts)
        self._totals = np.bincount(contexts_N[is_known_N], minlength=num_contexts)

    def look_up(self, contexts_N: Indices, codes_N: Indices) -> Indices:
        """Return the index of each n-gram; -1 if it does not occur in the training text."""
        ngrams_N = contexts_N * self._size + codes_N
        indices_N = np.searchsorted(self.ngrams, ngrams_N).clip(0, len(self.ngrams) - 1)
        is_known_N = (contexts_N >= 0) & (self.ngrams[indices_N] == ngrams_N)
        return np.where(is_known_N, indices_N, -1)

    def interpolate(
        self, probability_N: NDArray[Any], contexts_N: Indices, indices_N: Indices
    ) -> NDArray[Any]:
        """Interpolate the probabilities of shorter contexts with the counts of this table."""
        is_known_N = (contexts_N >= 0) & (self._totals[contexts_N] > 0)
        num_followers_N = self._num_followers[contexts_N]
        counts_N = np.where(indices_N >= 0, self._counts[indices_N], 0)
        denominator_N = (self._totals[contexts_N] + num_followers_N).clip(1)
        interpolated_N = (counts_N + num_followers_N * probability_N) / denominator_N
        return np.where(is_known_N, interpolated_N, probability_N)


def baseline_nats(
    training: Codes, held_out: Codes, vocabulary_size: int, separator: int | None = None
) -> float:
    """Return the loss, in nats per character, of a 5-gram model on the held-out text.

    The probabilities are interpolated by method C of Witten and Bell (1991): the weight of the
    shorter contexts is the number of different characters that follow this context. The model
    predicts every character except the first, as `charrnn.score` does. With the code of a
    separator, it predicts every character and every end of the documents, and no context has
    characters of several documents.
    """
    training = training[-_MAX_TRAINING_CHARACTERS:]
    if separator is not None:
        training, held_out = (frame_documents(part, separator) for part in (training, held_out))
    training_N, targets_N = training.astype(np.int64), held_out.astype(np.int64)
    probability_N = np.full(len(targets_N), 1 / vocabulary_size)
    # The first contexts are empty: there is only one, of index 0.
    training_contexts_N = np.zeros(len(training_N), dtype=np.int64)
    target_contexts_N = np.zeros(len(targets_N), dtype=np.int64)
    num_contexts = 1
    for length in itertools.count(1):
        table = _NgramTable(
            training_contexts_N, training_N[length - 1 :], num_contexts, vocabulary_size
        )
        indices_N = table.look_up(target_contexts_N, targets_N)
        probability_N = table.interpolate(probability_N, target_contexts_N, indices_N)
        if length == ORDER or len(training_contexts_N) == 1:
            break
        # The n-grams of this table are the contexts of the next, each for the following character.
        num_contexts = len(table.ngrams)
        training_contexts_N = table.indices_N[:-1]
        target_contexts_N = np.concatenate([[-1], indices_N[:-1]])
        if separator is not None and length > 1:  # the separator starts the contexts of a document
            training_contexts_N[training_N[length - 1 : -1] == separator] = -1
            target_contexts_N[1:][targets_N[:-1] == separator] = -1
            if (training_contexts_N < 0).all():
                break
    # numpy's logarithm depends on the type of the CPU.
    return -math.fsum(map(math.log, probability_N[1:].tolist())) / (len(probability_N) - 1)
