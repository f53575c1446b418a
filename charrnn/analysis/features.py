"""Readable features of a text: one number per character, to compare with the activity of units.

A feature is a function from a text of N characters to N values. Value n describes the text up to
and including character n. So the value at an opening bracket is inside the brackets, and the value
at the closing bracket is outside.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]

_OPENING, _CLOSING = "([{", ")]}"
_SPEAKER = re.compile(r"^[A-Z][A-Z0-9 .,'&-]*:|^[A-Z][\w'-]*(?: [A-Z][\w'-]*){0,3}:(?=\n)", re.M)
_STRING_OR_COMMENT = re.compile(
    r"(?P<comment>#[^\n]*)"
    r'|[rbfuRBFU]{0,2}(?:"""(?:\\.|[^\\])*?"""'
    r"|'''(?:\\.|[^\\])*?'''"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'(?:\\.|[^'\\\n])*')",
    re.S,
)
_CODE_LINE = re.compile(r"[=(){}\[\];<>]")
_MIN_CODE_LINES = 0.4  # fraction of non-blank lines with such a character; prose has far fewer
_MIN_VARIATION = 0.002  # minimum fraction of characters that differ from the most common value


class Feature(NamedTuple):
    """A readable feature of a text. `compute` returns its value after each character."""

    name: str
    meaning: str
    compute: Callable[[str], Values]
    is_code_only: bool = False


def compute_features(text: str) -> dict[str, Values]:
    """Return the values (N,) of the features that vary in a text, by name."""
    has_code = is_code(text)
    features = {}
    for feature in FEATURES:
        if feature.is_code_only and not has_code:
            continue
        values = feature.compute(text)
        highest_count = np.unique(values, return_counts=True)[1].max() if len(values) else 0
        if highest_count <= (1 - _MIN_VARIATION) * len(values):
            features[feature.name] = values
    return features


def is_code(text: str) -> bool:
    """Whether a text looks like source code."""
    lines = [line for line in text.split("\n") if line.strip()]
    code_lines = sum(bool(_CODE_LINE.search(line)) for line in lines)
    return bool(lines) and code_lines > _MIN_CODE_LINES * len(lines)


def _inside_quotes(text: str) -> Values:
    """Return 1 inside double quotes. A blank line also ends a quotation."""
    inside = np.zeros(len(text), np.float32)
    is_quoted = False
    for position, character in enumerate(text):
        if character == "“":
            is_quoted = True
        elif character == "”" or (character == "\n" and text[position - 1 : position] == "\n"):
            is_quoted = False
        elif character == '"':
            is_quoted = not is_quoted
        inside[position] = is_quoted
    return inside


def _bracket_depth(text: str) -> Values:
    """Return the number of open brackets. Unmatched closing brackets are ignored."""
    depth = np.zeros(len(text), np.float32)
    expected: list[str] = []
    for position, character in enumerate(text):
        if character in _OPENING:
            expected.append(_CLOSING[_OPENING.index(character)])
        elif expected and character == expected[-1]:
            expected.pop()
        depth[position] = len(expected)
    return depth


def _distance_to_last(marks: NDArray[np.bool_]) -> Values:
    """Return the number of characters since the last mark, or since the start of the text."""
    positions = np.arange(len(marks))
    last = np.maximum.accumulate(np.where(marks, positions, -1))
    distance: Values = (positions - last).astype(np.float32)
    return distance


def _count_since(events: NDArray[np.bool_], restarts: NDArray[np.bool_]) -> Values:
    """Return the number of events since the last restart."""
    total = np.cumsum(events)
    at_restart = np.maximum.accumulate(np.where(restarts, total, 0))
    count: Values = (total - at_restart).astype(np.float32)
    return count


def _test_characters(text: str, test: Callable[[str], bool]) -> NDArray[np.bool_]:
    """Return the result of `test` for each character."""
    results = {character: test(character) for character in set(text)}
    return np.fromiter((results[character] for character in text), np.bool_, len(text))


def _line_breaks(text: str) -> NDArray[np.bool_]:
    return _test_characters(text, lambda character: character == "\n")


def _word_starts(text: str) -> NDArray[np.bool_]:
    letters = _test_characters(text, str.isalnum)
    starts: NDArray[np.bool_] = letters & ~np.concatenate([[False], letters[:-1]])
    return starts


def _inside_spans(text: str, spans: list[tuple[int, int]]) -> Values:
    """Return 1 inside the spans (first, end) of a text, 0 outside."""
    inside = np.zeros(len(text), np.float32)
    for first, end in spans:
        inside[first:end] = 1
    return inside


def _after_speaker(text: str) -> Values:
    """Return 1 from the end of a speaker's name to the end of the first line of the speech."""
    spans = []
    for name in _SPEAKER.finditer(text):
        line_end = text.find("\n", name.end() + 1)
        spans.append((name.end() - 1, len(text) if line_end < 0 else line_end))
    return _inside_spans(text, spans)


def _indentation(text: str) -> Values:
    """Return the number of blanks at the start of the line, up to the current character."""
    indentation = np.zeros(len(text), np.float32)
    for blanks in re.finditer(r"(?m)^[ \t]*", text):
        line_end = text.find("\n", blanks.end())
        end = len(text) if line_end < 0 else line_end
        indentation[blanks.start() : end] = np.minimum(
            np.arange(1, end - blanks.start() + 1), blanks.end() - blanks.start()
        )
    return indentation


def _between_sentences(text: str) -> Values:
    """Return 1 from the punctuation that ends a sentence to the next sentence."""
    ends = re.finditer(r"[.!?]['\"”’)\]]*(?:\s+|$)", text)
    return _inside_spans(text, [end.span() for end in ends])


def _code_spans(is_comment: bool) -> Callable[[str], Values]:
    """Return the feature that is 1 inside comments, or inside strings, of source code."""

    def inside(text: str) -> Values:
        return _inside_spans(
            text,
            [
                (match.start(), match.end() - (not is_comment))
                for match in _STRING_OR_COMMENT.finditer(text)
                if (match.lastgroup == "comment") == is_comment
            ],
        )

    return inside


FEATURES = (
    Feature("quote", "inside double quotes", _inside_quotes),
    Feature("bracket", "inside brackets", lambda text: np.minimum(_bracket_depth(text), 1)),
    Feature("bracket depth", "number of open brackets", _bracket_depth),
    Feature(
        "line position",
        "characters since the line began",
        lambda text: _distance_to_last(_line_breaks(text)),
    ),
    Feature(
        "words in line",
        "words since the line began",
        lambda text: _count_since(_word_starts(text), _line_breaks(text)),
    ),
    Feature(
        "word position",
        "letters since the word began",
        lambda text: _distance_to_last(~_test_characters(text, str.isalnum)),
    ),
    Feature(
        "speaker name",
        "inside a capitalized speaker's name",
        lambda text: _inside_spans(text, [name.span() for name in _SPEAKER.finditer(text)]),
    ),
    Feature("after speaker", "the first line after a speaker's name", _after_speaker),
    Feature(
        "capital",
        "a capital letter",
        lambda text: _test_characters(text, str.isupper).astype(np.float32),
    ),
    Feature(
        "digit", "a digit", lambda text: _test_characters(text, str.isdigit).astype(np.float32)
    ),
    Feature("sentence end", "between two sentences", _between_sentences),
    Feature("indentation", "blanks at the start of the line", _indentation),
    Feature("comment", "inside a comment", _code_spans(is_comment=True), is_code_only=True),
    Feature(
        "string", "inside a string in source code", _code_spans(is_comment=False), is_code_only=True
    ),
)
MEANINGS = {feature.name: feature.meaning for feature in FEATURES}
