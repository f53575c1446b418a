"""The vocabulary: characters and their codes; character counts of a text."""

import re
from collections.abc import Collection, Iterable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from charrnn.config.text import SEPARATOR
from charrnn.data.character_names import list_characters
from charrnn.errors import VocabularyError

Codes = NDArray[np.unsignedinteger[Any]]

UNKNOWN = "\ufffd"
"""The unknown symbol: Unicode's REPLACEMENT CHARACTER.

If a vocabulary contains it, it replaces every character that the vocabulary does not contain. A
model generates it only if a setting requests it.
"""


_CODE_POINTS = 0x110000
_PIECE = 1 << 17  # characters counted at once, so that the arrays fit in the cache of the CPU
_UNKNOWN_BYTE = 255


class Vocabulary:
    """The characters that a model can read and generate, in the order of their codes."""

    def __init__(self, characters: Iterable[str]) -> None:
        self.characters = tuple(characters)
        if not self.characters or any(len(character) != 1 for character in self.characters):
            raise VocabularyError("a vocabulary must consist of one or more single characters")
        points = code_points("".join(self.characters))
        if len(np.unique(points)) != len(points):
            raise VocabularyError("a vocabulary must contain each character only once")
        self._points = points
        self._known = frozenset(self.characters)
        size = len(points)
        self._unknown_code = self.characters.index(UNKNOWN) if UNKNOWN in self._known else size
        # The last entry is for all code points after the end of the table.
        self._table = np.full(
            int(points.max()) + 2, self._unknown_code, dtype=np.min_scalar_type(max(size, 1))
        )
        self._table[points] = np.arange(size)
        self._ascii_codes = self._make_ascii_table() if size <= _UNKNOWN_BYTE else None

    @classmethod
    def from_text(cls, text: str) -> "Vocabulary":
        """Return the vocabulary of all characters of `text`, in code point order."""
        return cls(_to_characters(np.unique(code_points(text))))

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
        """The smallest unsigned integer type that can store every code."""
        return np.min_scalar_type(len(self) - 1)

    def extended(self, text: str) -> "Vocabulary":
        """Return a vocabulary with the same codes, and with the new characters of `text` added."""
        new_points = np.setdiff1d(code_points(text), self._points)
        return Vocabulary([*self.characters, *_to_characters(new_points)])

    def find_code(self, character: str | None) -> int | None:
        """Return the code of a character; None for a character that is not in the vocabulary."""
        return self.characters.index(character) if character in self._known else None

    def encode(self, text: str, unknown: Literal["error", "skip"] = "error") -> Codes:
        """Return the code of each character.

        If the vocabulary contains `UNKNOWN`, every unknown character gets its code. If not, an
        unknown character raises `VocabularyError`, or is left out if `unknown` is "skip".
        """
        codes = self._look_up(text)
        unknown_code = self._unknown_code
        if unknown_code == len(self) and len(codes) and codes.max() == unknown_code:
            is_known = codes != unknown_code
            if unknown == "error":
                points = code_points(text)[~is_known]
                raise _unknown_characters_error(text, _to_characters(points), self)
            codes = codes[is_known]
        return codes.astype(self.dtype, copy=False)

    def decode(self, codes: Iterable[int]) -> str:
        """Return the text of `codes`. It is the inverse of `encode`."""
        return "".join([self.characters[int(code)] for code in codes])

    def decode_rows(self, codes_BK: NDArray[np.integer[Any]]) -> list[str]:
        """Return the text of each row of codes."""
        samples, length = codes_BK.shape
        text = self._points[codes_BK].tobytes().decode("utf-32-le", "surrogatepass")
        return [text[row * length : (row + 1) * length] for row in range(samples)]

    def list_newline_remedies(self, unknown: Collection[str]) -> list[str]:
        """Return what to do if carriage returns are the only unknown characters of a text."""
        has_other_newlines = set(unknown) == {"\r"} and "\n" in self
        return ["convert its line ends with --newline lf"] if has_other_newlines else []

    def _look_up(self, text: str) -> Codes:
        """Return the code of each character, `_unknown_code` for unknown ones."""
        if self._ascii_codes is not None and text.isascii():
            translated = text.encode("ascii").translate(self._ascii_codes)
            codes: Codes = np.frombuffer(translated, dtype=np.uint8)
        else:
            codes = self._table.take(code_points(text), mode="clip")
        return codes

    def _make_ascii_table(self) -> bytes:
        points = np.minimum(np.arange(256), len(self._table) - 1)
        return bytes(self._table[points].tolist())


class CharacterCounts:
    """Counts how often each character occurs in a text that is added in pieces."""

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
        """Count pairs of characters, which takes half the time."""
        pairs = np.frombuffer(text, "<u2", len(text) // 2)
        for first in range(0, len(pairs), _PIECE):
            counts = np.bincount(pairs[first : first + _PIECE], minlength=2**16).reshape(256, 256)
            self._counts[:256] += counts.sum(axis=0) + counts.sum(axis=1)
        if len(text) % 2:
            self._counts[text[-1]] += 1

    @property
    def total(self) -> int:
        """The number of characters that were added."""
        return int(self._counts.sum())

    @property
    def num_distinct(self) -> int:
        """The number of different characters that were added."""
        return int(np.count_nonzero(self._counts))

    def make_vocabulary(self, min_count: int = 1, separator: str = SEPARATOR) -> Vocabulary:
        """Return the characters that occur `min_count` times or more, in code point order.

        `SEPARATOR` and `separator` are never rare. `UNKNOWN` is added if there are rarer ones.
        """
        points = np.flatnonzero(self._counts)
        is_separator = np.isin(points, [ord(SEPARATOR), ord(separator)])
        is_kept = (self._counts[points] >= min_count) | is_separator
        frequent = set(_to_characters(points[is_kept]))
        has_rare = len(frequent) < len(points)
        return Vocabulary(sorted(frequent | {UNKNOWN} if has_rare else frequent))

    def counts_of(self, vocabulary: Vocabulary) -> tuple[int, ...]:
        """Return the count of each character of a vocabulary; all others count as `UNKNOWN`."""
        counts = self._counts[code_points("".join(vocabulary.characters))]
        if UNKNOWN in vocabulary:
            code = vocabulary.characters.index(UNKNOWN)
            counts[code] += self.total - int(counts.sum())
        return tuple(counts.tolist())


def code_points(text: str) -> NDArray[np.uint32]:
    """Return the Unicode code point of each character."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


def _to_characters(points: NDArray[Any]) -> list[str]:
    return [chr(point) for point in points]


def _unknown_characters_error(
    text: str, characters: Iterable[str], vocabulary: Vocabulary
) -> VocabularyError:
    """Return the error for the unknown `characters` of a text."""
    distinct = tuple(dict.fromkeys(characters))
    has_escape = "\\" in distinct and re.search(r"\\(?:[ntr0]|x[0-9a-fA-F]|u[0-9a-fA-F])", text)
    escapes = r"read \n as a line break with --escape (in many shells, $'\n' is one too)"
    return VocabularyError(
        f"these characters are not in the model's vocabulary: {list_characters(distinct)}",
        *([escapes] if has_escape else []),
        *vocabulary.list_newline_remedies(distinct),
        "remove them from the text",
        "leave them out with --unknown skip",
        characters=distinct,
    )
