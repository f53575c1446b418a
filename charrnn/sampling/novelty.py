"""What a text has copied word for word from a corpus, and what it may not go on copying.

Passages are compared by hashes (Karp and Rabin, 1987), and those that agree character by character.

Shape suffixes: N characters of the corpus, M characters of the text, W windows.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.data.corpus import Corpus
from charrnn.data.vocabulary import Codes

LONG = 30
"""From how many characters on a copied run counts as copied, not as a phrase."""

_BASE = 0x9E3779B97F4A7C15  # odd; the golden ratio's, as in splitmix64 (Steele et al., 2014)
_STRETCH = 2**22  # characters of the corpus looked at together, which bounds the memory it takes

Hashes = NDArray[np.uint64]


class Novelty(NamedTuple):
    """How much of a text is copied word for word."""

    longest: int
    """Characters of the longest run that stands in the corpus."""
    passage: str
    """That run, the first of its length."""
    share: float
    """Share of the text inside runs of `LONG` characters or more."""


def novelty(text: str, corpus: Corpus) -> Novelty:
    """Compare a text with a corpus; the time it takes grows with the corpus."""
    text_M = _codes(text, corpus)
    low, high, place = 0, len(text), 0  # runs of `low` characters are copied; is one longer?
    while low < high:
        middle = (low + high + 1) // 2
        copied = np.flatnonzero(copied_windows(text_M, corpus.codes, middle))
        if len(copied):
            low, place = middle, int(copied[0])
        else:
            high = middle - 1
    starts = np.flatnonzero(copied_windows(text_M, corpus.codes, LONG))
    inside_M = np.zeros(len(text), np.bool_)
    inside_M[(starts[:, None] + np.arange(LONG)).ravel()] = True
    return Novelty(low, text[place : place + low], float(inside_M.sum()) / max(1, len(text)))


def copied_windows(text_M: Codes, corpus_N: Codes, length: int) -> NDArray[np.bool_]:
    """Return which windows of `length` characters of a text stand in a corpus: W = M - length + 1.

    Both are codes of one vocabulary.
    """
    windows = max(0, len(text_M) - length + 1)
    found_W = np.zeros(windows, np.bool_)
    if not windows:
        return found_W
    hashes_W = _hashes(text_M, length)
    order_W = np.argsort(hashes_W, kind="stable")
    sorted_W = hashes_W[order_W]
    for start in range(0, len(corpus_N) - length + 1, _STRETCH):
        stretch_N = corpus_N[start : start + _STRETCH + length - 1]
        hashes_N = _hashes(stretch_N, length)
        first_N = np.searchsorted(sorted_W, hashes_N)
        alike_N = sorted_W[np.minimum(first_N, windows - 1)] == hashes_N
        for place in np.flatnonzero(alike_N)[_firsts(hashes_N[alike_N])]:
            first = first_N[place]
            last = np.searchsorted(sorted_W, hashes_N[place], side="right")
            for window in order_W[first:last]:
                passage = text_M[window : window + length]
                if np.array_equal(passage, stretch_N[place : place + length]):
                    found_W[window] = True
    return found_W


class Followers:
    """Which characters follow each passage of `length` characters in a corpus.

    Takes up 16 bytes of memory a character of the corpus at most.
    """

    def __init__(self, corpus: Corpus, length: int) -> None:
        self.length = length
        self._corpus = corpus
        hashes_N = _hashes(corpus.codes[:-1], length)
        order_N = np.argsort(hashes_N)
        self._hashes_N = hashes_N[order_N]
        self._next_N = corpus.codes[length:][order_N]

    def after(self, passage: str) -> set[str]:
        """Return the characters that follow this passage, of `length` characters."""
        (sought,) = _hashes(_codes(passage, self._corpus), self.length)
        first, last = np.searchsorted(self._hashes_N, [sought, sought + np.uint64(1)])
        return set(self._corpus.vocabulary.decode(np.unique(self._next_N[first:last])))


def _codes(text: str, corpus: Corpus) -> Codes:
    """Return a text in the codes of a corpus, and one more for all that the corpus lacks."""
    known = {character: code for code, character in enumerate(corpus.vocabulary.characters)}
    return np.array([known.get(character, len(known)) for character in text], np.uint32)


def _hashes(codes_N: Codes, length: int) -> Hashes:
    """Return the hash of each window: a polynomial of its characters, modulo 2**64."""
    windows = max(0, len(codes_N) - length + 1)
    hashes_W: Hashes = np.zeros(windows, np.uint64)
    if not windows:
        return hashes_W
    block, size, done = _scrambled(codes_N), 1, 0  # hashes of windows of `size` characters
    while True:
        shift = np.uint64(pow(_BASE, size, 2**64))
        if length & size:
            hashes_W = hashes_W * shift + block[done : done + windows]
            done += size
        if done == length:
            return hashes_W
        block, size = block[:-size] * shift + block[size:], 2 * size


def _scrambled(codes_N: Codes) -> Hashes:
    """Spread codes over 64 bits by the finalizer of splitmix64."""
    mixed = (codes_N.astype(np.uint64) + np.uint64(1)) * np.uint64(_BASE)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    scrambled: Hashes = mixed ^ (mixed >> np.uint64(31))
    return scrambled


def _firsts(values: Hashes) -> NDArray[np.int64]:
    """Return the position of the first of each distinct value."""
    return np.unique(values, return_index=True)[1]
