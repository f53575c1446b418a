"""Notes on unusual characters of a text: sentences with advice."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from charrnn.config.counts import format_count
from charrnn.data.character_names import list_characters
from charrnn.data.progress import CHUNK
from charrnn.data.vocabulary import UNKNOWN, Codes

_LARGE_VOCABULARY = 1_000  # distinct characters; alphabets have fewer
_NOT_IN_CP1252 = "\x81\x8d\x8f\x90\x9d"
_RARE_COUNT = 10  # occurrences; a model learns little about a character with fewer


class CharacterFacts(NamedTuple):
    """The characters of a text, from which notes are made."""

    counts: Mapping[str, int]
    """How often each character of the vocabulary occurs."""
    num_distinct: int
    """Number of different characters, including those that are read as `UNKNOWN`."""
    min_count: int = 1
    codec: str = "utf-8"


def describe_unusual_characters(facts: CharacterFacts) -> tuple[str, ...]:
    """Return a sentence with advice for each unusual property of the characters of a text."""
    counts = {character: count for character, count in facts.counts.items() if count}
    total, num_unknown = sum(counts.values()), counts.get(UNKNOWN, 0)
    num_rare = facts.num_distinct - len(counts.keys() - {UNKNOWN})
    sentences = []
    if num_unknown and (num_rare > 1 or facts.min_count > 1):
        number = "1 rare character" if num_rare == 1 else f"{num_rare:,} different rare characters"
        sentences.append(
            f"{number} ({num_unknown:,} of {total:,} characters of the text) "
            f"{'is' if num_rare == 1 else 'are'} read as one unknown symbol; the model generates "
            "it only if `charrnn sample --only` contains it"
        )
    elif num_unknown:
        sentences.append(
            f"the text contains {format_count(num_unknown, 'character')} U+FFFD, the sign for "
            "characters that a program could not decode: check how the text was made"
        )
    if len(counts) > _LARGE_VOCABULARY:
        rare = sum(count < _RARE_COUNT for count in counts.values())
        sentences.append(
            f"the text has {len(counts):,} different characters, and {rare:,} of them occur "
            f"less than {_RARE_COUNT} times: `charrnn train --min-count {_RARE_COUNT}` reads those "
            "as one unknown symbol; if the language has an alphabet, the text is probably in "
            "another encoding"
        )
    if num_marks := counts.get("\ufeff"):
        sentences.append(
            f"the text contains {format_count(num_marks, 'character')} U+FEFF, a byte order mark "
            "that is not at the start: it was probably left where files were joined, so remove it"
        )
    if num_nul := counts.get("\0"):
        number = format_count(num_nul, "NUL character")
        sentences.append(f"the text contains {number}, as in binary files")
    controls = {character: count for character, count in counts.items() if _is_unused(character)}
    if controls:
        number = format_count(sum(controls.values()), "control character")
        hint = ", as in binary files"
        if not controls.keys() & set(_NOT_IN_CP1252):
            is_latin_1 = facts.codec == "iso8859-1"
            reading = "read it with --encoding cp1252" if is_latin_1 else "convert it"
            hint = f": the text was probably written in cp1252, so {reading}"
        sentences.append(f"the text contains {number} from U+0080 to U+009F{hint}")
    return tuple(sentences)


def count_codes_inside(part: Codes, counts: Sequence[int]) -> dict[int, int]:
    """Return how often each code occurs that occurs only in a part of a text.

    `counts` says how often each code occurs in the whole text.
    """
    inside = np.zeros(len(counts), np.int64)
    for first in range(0, len(part), CHUNK):
        inside += np.bincount(part[first : first + CHUNK], minlength=len(counts))
    only = np.flatnonzero((inside > 0) & (inside == np.array(counts)))
    return {int(code): int(inside[code]) for code in only}


def describe_held_out_only(counts: Mapping[str, int], num_held_out: int) -> tuple[str, ...]:
    """Return a sentence about characters that occur only in the held-out text, if there are any.

    `counts` says how often each of them occurs among the `num_held_out` characters of that text.
    """
    if not counts:
        return ()
    number = "1 character occurs" if len(counts) == 1 else f"{len(counts):,} characters occur"
    return (
        f"{number} only in the held-out text ({sum(counts.values()):,} of its {num_held_out:,} "
        f"characters), so the model cannot learn {'it' if len(counts) == 1 else 'them'}: "
        f"{list_characters(counts)}; if that is not intended, change the order of the text, so "
        "that its last part is like the rest",
    )


def _is_unused(character: str) -> bool:
    return "\x80" <= character <= "\x9f" and character != "\x85"
