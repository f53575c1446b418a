"""The segments of a text from which a model learns, one after another, in dynamic evaluation.

Shape suffixes: N characters of the text, T characters of a segment and the one before it.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from charrnn.data.document_index import frame_documents
from charrnn.data.vocabulary import Codes


class Segment(NamedTuple):
    """Codes of which all but the last are read, and all but the first predicted."""

    codes_T: Codes
    starts_from_initial_state: bool
    """Whether it is the start of a document, or of a text without documents."""


def cut_segments(codes_N: Codes, length: int, separator: int | None) -> Iterator[Segment]:
    """Yield the segments of a text; each predicts at most `length` characters.

    With the code of a `separator`, no segment has characters of several documents.
    """
    if separator is None:
        bounds = np.array([0, len(codes_N) - 1])
    else:
        codes_N = frame_documents(codes_N, separator)
        bounds = np.flatnonzero(codes_N == separator)
    for start, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        for first in range(start, end, length):
            yield Segment(codes_N[first : min(first + length, end) + 1], first == start)
