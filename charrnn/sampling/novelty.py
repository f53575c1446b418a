"""Find passages that a text has copied literally from a corpus.

Passages are compared by hash (Karp and Rabin, 1987). If the hashes agree, the characters are
compared too.

Shape suffixes: N characters of the corpus, M characters of the text, W windows.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.data.corpus import Corpus
from charrnn.data.vocabulary import Codes

MIN_COPIED_RUN = 30
"""Minimum length in characters of a copied run. Shorter runs are common phrases."""

_BASE = 0x9E3779B97F4A7C15  # odd; 2**64 / golden ratio, as in splitmix64 (Steele et al., 2014)
_CORPUS_CHUNK = 2**22  # characters of the corpus that are compared together; bounds the memory

Hashes = NDArray[np.uint64]


class Novelty(NamedTuple):
    """How much of a text is copied from a corpus."""

    longest: int
    """Length in characters of the longest run that also occurs in the corpus."""
    passage: str
    """That run; if there are several, the first."""
    share: float
    """Fraction of the text inside copied runs of at least `MIN_COPIED_RUN` characters."""


def measure_novelty(text: str, corpus: Corpus) -> Novelty:
    """Compare a text with a corpus. The time is proportional to the size of the corpus."""
    text_M = _encode(text, corpus)
    starts = np.flatnonzero(find_copied_windows(text_M, corpus.codes, MIN_COPIED_RUN))
    inside_M = np.zeros(len(text), np.bool_)
    inside_M[(starts[:, None] + np.arange(MIN_COPIED_RUN)).ravel()] = True
    share = float(inside_M.sum()) / max(1, len(text))

    length, start, too_long = 0, 0, min(MIN_COPIED_RUN, len(text) + 1)  # of copied runs
    if len(starts):
        length, start, too_long = MIN_COPIED_RUN, int(starts[0]), len(text) + 1
    while length + 1 < too_long:
        middle = (length + too_long) // 2
        if length:  # most runs are short, so that twice the length is the better guess
            middle = min(2 * length, middle)
        copied = np.flatnonzero(find_copied_windows(text_M, corpus.codes, middle))
        if len(copied):
            length, start = middle, int(copied[0])
        else:
            too_long = middle
    return Novelty(length, text[start : start + length], share)


def find_copied_windows(text_M: Codes, corpus_N: Codes, length: int) -> NDArray[np.bool_]:
    """Return whether each window of `length` characters of a text occurs in a corpus.

    The result has W = M - length + 1 values. Both arguments are codes of one vocabulary.
    """
    windows = max(0, len(text_M) - length + 1)
    is_copied_W = np.zeros(windows, np.bool_)
    if not windows:
        return is_copied_W
    hashes_W = _hash_windows(text_M, length)
    order_W = np.argsort(hashes_W, kind="stable")
    sorted_W = hashes_W[order_W]
    for start in range(0, len(corpus_N) - length + 1, _CORPUS_CHUNK):
        chunk_N = corpus_N[start : start + _CORPUS_CHUNK + length - 1]
        hashes_N = _hash_windows(chunk_N, length)
        first_N = np.searchsorted(sorted_W, hashes_N)
        matches_N = sorted_W[np.minimum(first_N, windows - 1)] == hashes_N
        for position in np.flatnonzero(matches_N)[_first_indices(hashes_N[matches_N])]:
            first = first_N[position]
            last = np.searchsorted(sorted_W, hashes_N[position], side="right")
            for window in order_W[first:last]:
                passage = text_M[window : window + length]
                if np.array_equal(passage, chunk_N[position : position + length]):
                    is_copied_W[window] = True
    return is_copied_W


class NextCharacters:
    """The characters that follow each passage of `length` characters in a corpus.

    Uses at most 12 bytes of memory per character of the corpus, and about 32 while it is created.
    """

    def __init__(self, corpus: Corpus, length: int) -> None:
        self.length = length
        self._corpus = corpus
        hashes_N = _hash_windows(corpus.codes[:-1], length)
        order_N = np.argsort(hashes_N)
        self._hashes_N = hashes_N[order_N]
        self._next_N = corpus.codes[length:][order_N]

    def after(self, passage: str) -> set[str]:
        """Return the characters that follow this passage of `length` characters."""
        (passage_hash,) = _hash_windows(_encode(passage, self._corpus), self.length)
        first, last = np.searchsorted(self._hashes_N, [passage_hash, passage_hash + np.uint64(1)])
        return set(self._corpus.vocabulary.decode(np.unique(self._next_N[first:last])))


def _encode(text: str, corpus: Corpus) -> Codes:
    """Encode a text with the codes of a corpus; all other characters get one additional code."""
    code_of = {character: code for code, character in enumerate(corpus.vocabulary.characters)}
    return np.array([code_of.get(character, len(code_of)) for character in text], np.uint32)


def _hash_windows(codes_N: Codes, length: int) -> Hashes:
    """Return the hash of each window: a polynomial of its codes, modulo 2**64."""
    windows = max(0, len(codes_N) - length + 1)
    hashes_W: Hashes = np.zeros(windows, np.uint64)
    if not windows:
        return hashes_W
    block, size, hashed = _scramble(codes_N), 1, 0  # `block`: hashes of windows of `size` codes
    while True:
        shift = np.uint64(pow(_BASE, size, 2**64))
        if length & size:
            hashes_W = hashes_W * shift + block[hashed : hashed + windows]
            hashed += size
        if hashed == length:
            return hashes_W
        block, size = block[:-size] * shift + block[size:], 2 * size


def _scramble(codes_N: Codes) -> Hashes:
    """Spread codes over 64 bits with the finalizer of splitmix64."""
    mixed = (codes_N.astype(np.uint64) + np.uint64(1)) * np.uint64(_BASE)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    scrambled: Hashes = mixed ^ (mixed >> np.uint64(31))
    return scrambled


def _first_indices(values: Hashes) -> NDArray[np.int64]:
    """Return the first index of each distinct value."""
    return np.unique(values, return_index=True)[1]
