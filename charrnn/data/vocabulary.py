"""Characters and their codes, and how often each character occurs."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from charrnn.errors import VocabularyError

Codes = NDArray[np.unsignedinteger[Any]]

UNKNOWN = "\ufffd"
"""Stands for every character that a vocabulary does not list, in one that lists this one.

It is Unicode's REPLACEMENT CHARACTER, and is not written unless asked for.
"""

_MANY = 1_000  # distinct characters: more than alphabets need
_RARE = 10  # occurrences: a character below is hardly learnt
_CODE_POINTS = 0x110000
_PIECE = 1 << 17  # characters counted at once, so that what numpy makes of them stays in the cache
_UNLISTED_BYTE = 255


class Vocabulary:
    """The characters a model knows, in the order of their codes."""

    def __init__(self, characters: Iterable[str]) -> None:
        self.characters = tuple(characters)
        if not self.characters or any(len(character) != 1 for character in self.characters):
            raise VocabularyError("a vocabulary holds one or more single characters", ())
        points = code_points("".join(self.characters))
        if len(np.unique(points)) != len(points):
            raise VocabularyError("a vocabulary holds each character only once", ())
        self._points = points
        self._known = frozenset(self.characters)
        size = len(points)
        self._unlisted = self.characters.index(UNKNOWN) if UNKNOWN in self._known else size
        # The last entry is for all code points beyond the table.
        self._table = np.full(
            int(points.max()) + 2, self._unlisted, dtype=np.min_scalar_type(max(size, 1))
        )
        self._table[points] = np.arange(size)
        self._bytes = self._ascii_table() if size <= _UNLISTED_BYTE else None

    @classmethod
    def from_text(cls, text: str) -> "Vocabulary":
        """Return the vocabulary of `text`, in code point order."""
        return cls(_characters(np.unique(code_points(text))))

    def __len__(self) -> int:
        return len(self.characters)

    def __contains__(self, character: object) -> bool:
        return character in self._known

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.characters == other.characters

    def __hash__(self) -> int:
        return hash(self.characters)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The smallest unsigned integer that holds every code."""
        return np.min_scalar_type(len(self) - 1)

    def extended(self, text: str) -> "Vocabulary":
        """Return this vocabulary, its codes unchanged, with the new characters of `text` added."""
        new = np.setdiff1d(code_points(text), self._points)
        return Vocabulary([*self.characters, *_characters(new)])

    def encode(self, text: str, unknown: Literal["error", "skip"] = "error") -> Codes:
        """Return each character's code; unknown ones raise `VocabularyError` or are left out.

        In a vocabulary that lists `UNKNOWN`, all characters that it does not list have its code.
        """
        codes = self._look_up(text)
        if self._unlisted == len(self) and len(codes) and codes.max() == self._unlisted:
            known = codes != self._unlisted
            if unknown == "error":
                points = code_points(text)[~known]
                raise _unknown_characters("".join(_characters(points)), len(self))
            codes = codes[known]
        return codes.astype(self.dtype, copy=False)

    def decode(self, codes: Iterable[int]) -> str:
        """Return the text of `codes`; the inverse of `encode`."""
        return "".join([self.characters[int(code)] for code in codes])

    def decode_rows(self, codes_BK: NDArray[np.integer[Any]]) -> list[str]:
        """Return the text of each row of codes, of one length all."""
        samples, length = codes_BK.shape
        text = self._points[codes_BK].tobytes().decode("utf-32-le", "surrogatepass")
        return [text[row * length : (row + 1) * length] for row in range(samples)]

    def _look_up(self, text: str) -> Codes:
        """Return each character's code, that of unlisted ones where there is none."""
        if self._bytes is not None and text.isascii():
            found = text.encode("ascii").translate(self._bytes)
            codes: Codes = np.frombuffer(found, dtype=np.uint8)
        else:
            codes = self._table.take(code_points(text), mode="clip")
        return codes

    def _ascii_table(self) -> bytes:
        points = np.minimum(np.arange(256), len(self._table) - 1)
        return bytes(self._table[points].tolist())


class CharacterCounts:
    """How often each character occurs in a text that is shown piece by piece."""

    def __init__(self) -> None:
        self._counts = np.zeros(_CODE_POINTS, dtype=np.int64)

    def add(self, text: str) -> None:
        """Count the characters of the next piece of text."""
        if text.isascii():
            self._add_ascii(text.encode("ascii"))
            return
        points = code_points(text)
        for first in range(0, len(points), _PIECE):
            counts = np.bincount(points[first : first + _PIECE])
            self._counts[: len(counts)] += counts

    def _add_ascii(self, text: bytes) -> None:
        """Count two characters at a time, which takes half as long."""
        pairs = np.frombuffer(text, "<u2", len(text) // 2)
        for first in range(0, len(pairs), _PIECE):
            counts = np.bincount(pairs[first : first + _PIECE], minlength=2**16).reshape(256, 256)
            self._counts[:256] += counts.sum(axis=0) + counts.sum(axis=1)
        if len(text) % 2:
            self._counts[text[-1]] += 1

    @property
    def characters(self) -> int:
        """Characters counted so far."""
        return int(self._counts.sum())

    def vocabulary(self, min_count: int = 1) -> Vocabulary:
        """Return the characters in code point order, those below `min_count` as `UNKNOWN`."""
        seen = np.flatnonzero(self._counts)
        kept = set(_characters(seen[self._counts[seen] >= min_count]))
        return Vocabulary(sorted(kept | {UNKNOWN} if len(kept) < len(seen) else kept))

    def counts(self, vocabulary: Vocabulary) -> tuple[int, ...]:
        """Return how often each character of a vocabulary occurs, `UNKNOWN` for all others."""
        listed = self._counts[code_points("".join(vocabulary.characters))]
        if UNKNOWN in vocabulary:
            code = vocabulary.characters.index(UNKNOWN)
            listed[code] += self.characters - int(listed.sum())
        return tuple(listed.tolist())

    def distinct(self) -> int:
        """Return how many different characters there are."""
        return int(np.count_nonzero(self._counts))


def describe_unusual_characters(
    vocabulary: Vocabulary, counts: Sequence[int], distinct: int
) -> tuple[str, ...]:
    """Return what is unusual about a text's characters, and what can be done about it."""
    found = []
    occurrences = dict(zip(vocabulary.characters, counts, strict=False))
    folded = distinct - len(vocabulary) + 1
    if occurrences.get(UNKNOWN) and folded > 1:
        found.append(
            f"{folded:,} rare characters ({occurrences[UNKNOWN]:,} of {sum(counts):,} in the text) "
            "are read as one unknown symbol, which is never written unless --only asks for it"
        )
    elif occurrences.get(UNKNOWN):
        found.append(
            f"{occurrences[UNKNOWN]:,} characters of the text are U+FFFD, which stands for what "
            "could not be read: the text was decoded wrongly before, if it is not by intent"
        )
    if len(vocabulary) > _MANY:
        rare = sum(count < _RARE for count in counts)
        found.append(
            f"{len(vocabulary):,} distinct characters are many, and {rare:,} of them occur less "
            f"than {_RARE} times: --min-count {_RARE} would read those as one unknown symbol; if "
            "the text is in an alphabet, its --encoding is another"
        )
    if zeros := occurrences.get("\0"):
        hint = ": it may be UTF-16 (--encoding utf-16)" if 3 * zeros > sum(counts) else ""
        found.append(f"the text holds {zeros:,} NUL characters, as binary files do{hint}")
    return tuple(found)


def code_points(text: str) -> NDArray[np.uint32]:
    """Return the Unicode code point of each character."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


def _characters(points: NDArray[Any]) -> list[str]:
    return [chr(point) for point in points]


def _unknown_characters(characters: str, known: int) -> VocabularyError:
    distinct = tuple(dict.fromkeys(characters))
    named = ", ".join(f"{character!r} (U+{ord(character):04X})" for character in distinct[:8])
    more = f" and {len(distinct) - 8} more" if len(distinct) > 8 else ""
    return VocabularyError(
        f"the model knows {known} characters, and these are not among them: {named}{more}; "
        "leave them out, or skip them with --unknown skip",
        distinct,
    )
