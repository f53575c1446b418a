"""The documents of a corpus: texts between separators, each of which is read from the start.

Shape suffixes: D documents.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from charrnn.data.encoded_cache import release_pages
from charrnn.data.progress import CHUNK
from charrnn.data.vocabulary import Codes

_MIN_DOCUMENTS = 200
_MAX_MEDIAN_LENGTH = 2_000  # characters
_MAX_LONGEST = 1 / 16  # of all characters; a step reads 16 documents or more

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class DocumentIndex:
    """Where the documents of a text are. Empty documents are left out.

    A document is predicted from its first character to its end, so it has one more target than it
    has characters: the separator after it.
    """

    starts_D: Positions
    """The position of the first character of each document."""
    ends_D: Positions
    """The position after the last character of each document."""
    num_empty: int
    """How many empty documents were left out: between two separators, or at an end of the text."""

    @property
    def lengths(self) -> Positions:
        """The number of characters of each document, (D)."""
        return self.ends_D - self.starts_D

    @property
    def num_targets(self) -> Positions:
        """The number of targets of each document, (D)."""
        return self.lengths + 1

    @property
    def has_many_short(self) -> bool:
        """Whether the text is read as documents unless the user decides.

        It has at least 200 documents with a median length of at most 2,000 characters. None is so
        long that most steps of training would read it alone.
        """
        lengths_D = self.lengths
        return bool(
            len(lengths_D) >= _MIN_DOCUMENTS
            and np.median(lengths_D) <= _MAX_MEDIAN_LENGTH
            and lengths_D.max() <= _MAX_LONGEST * lengths_D.sum()
        )


def locate_documents(codes: Codes, separator: int) -> DocumentIndex:
    """Find the documents of a text that are separated by the code `separator`."""
    separators = []
    for first in range(0, len(codes), CHUNK):
        separators.append(first + np.flatnonzero(codes[first : first + CHUNK] == separator))
        release_pages(codes)
    starts_D = np.concatenate([[0], *(positions + 1 for positions in separators)])
    ends_D = np.concatenate([*separators, [len(codes)]])
    has_text_D = ends_D > starts_D
    # A separator at the end of the text is the end of a document, not the start of an empty one.
    num_empty = int(np.count_nonzero(~has_text_D[:-1]))
    return DocumentIndex(starts_D[has_text_D], ends_D[has_text_D], num_empty)


def split_documents(index: DocumentIndex, length: int, val_fraction: float) -> int:
    """Return the position where the held-out part of a text of `length` characters starts.

    It is the start of a document: the first one in the last `val_fraction` of the text, or else the
    last one. Without a held-out part, it is the end of the text.
    """
    if not val_fraction:
        return length
    boundary = math.ceil((1.0 - val_fraction) * length)
    first = int(np.searchsorted(index.starts_D, boundary))
    return int(index.starts_D[min(first, len(index.starts_D) - 1)])


def cut_after_document(codes: Codes, separator: int | None, characters: int) -> Codes:
    """Return the start of a text, of which about this number of characters can be predicted.

    Of documents, it ends with the document that contains the last one of these characters. Without
    the code of a `separator`, the first character of the result is not predicted.
    """
    if separator is None or len(codes) <= characters:
        return codes[: characters + 1]
    index = locate_documents(codes, separator)
    last = int(np.searchsorted(index.ends_D, characters))
    return codes[: index.ends_D[min(last, len(index.ends_D) - 1)]]


def frame_documents(codes: Codes, separator: int) -> Codes:
    """Return a text with one separator before its first document, and one after each."""
    framed: Codes = np.full(len(codes) + 2, separator, codes.dtype)
    framed[1:-1] = codes
    is_separator = framed == separator
    is_repeated = np.concatenate([[False], is_separator[1:] & is_separator[:-1]])
    kept: Codes = framed[~is_repeated]
    return kept
