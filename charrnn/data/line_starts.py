"""The line start of a text: the character with which a generated text starts."""

import numpy as np

from charrnn.config.text import SEPARATOR
from charrnn.data.background import BackgroundWorker
from charrnn.data.vocabulary import UNKNOWN, Codes, Vocabulary


def find_line_start(codes: Codes, vocabulary: Vocabulary) -> str:
    """Return the most common first character of a line, or of a document."""
    starts = LineStarts(vocabulary)
    starts.add(codes)
    return starts.most_common()


class LineStarts:
    """Counts how often each character is the first of a line, over chunks of codes.

    In a corpus of documents, it counts the first characters of documents instead.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._characters = vocabulary.characters
        self._worker = BackgroundWorker()
        self._has_documents = SEPARATOR in vocabulary
        boundary = SEPARATOR if self._has_documents else "\n"
        self._boundary = self._characters.index(boundary) if boundary in vocabulary else None
        self._counts = np.zeros(len(vocabulary), dtype=np.int64)
        self._is_start = True

    def add(self, codes: Codes) -> None:
        """Count the starts in the next chunk."""
        self._worker.submit(self._add, codes)

    def most_common(self) -> str:
        """Return the most common first character; that of a line is never white space."""
        self._worker.close()
        is_excluded = [
            character in (UNKNOWN, SEPARATOR) or (character.isspace() and not self._has_documents)
            for character in self._characters
        ]
        counts = np.where(is_excluded, -1, self._counts)
        return self._characters[int(counts.argmax())]

    def _add(self, codes: Codes) -> None:
        if self._is_start:
            self._count(codes[:1])
            self._is_start = False
        if self._boundary is not None and len(codes):
            self._count(codes[np.flatnonzero(codes[:-1] == self._boundary) + 1])
            self._is_start = bool(codes[-1] == self._boundary)

    def _count(self, codes: Codes) -> None:
        self._counts += np.bincount(codes, minlength=len(self._counts))
