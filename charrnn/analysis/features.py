"""What a reader sees in a text, character by character, as numbers that a cell can be held against.

Every feature is a function of a text of N characters that returns N values: what holds once a
character has been read, the character itself included. So the place after an opening bracket is
inside it, that after the closing one is not.
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
_CODE_SHARE = 0.4  # of the lines that are not blank: prose has few with such a character
_RAREST = 0.002  # of the characters: what is rarer, or as rarely absent, cannot be judged


class Feature(NamedTuple):
    """Something readable about a text; `of` returns its value after each character."""

    name: str
    meaning: str
    of: Callable[[str], Values]
    only_code: bool = False


def features_of(text: str) -> dict[str, Values]:
    """Return the features that vary in a text, by name: (N,) each."""
    code = is_code(text)
    found = {}
    for feature in FEATURES:
        if feature.only_code and not code:
            continue
        values = feature.of(text)
        commonest = np.unique(values, return_counts=True)[1].max() if len(values) else 0
        if commonest <= (1 - _RAREST) * len(values):
            found[feature.name] = values
    return found


def is_code(text: str) -> bool:
    """Whether a text looks like the source of programs."""
    lines = [line for line in text.split("\n") if line.strip()]
    return bool(lines) and sum(bool(_CODE_LINE.search(each)) for each in lines) > _CODE_SHARE * len(
        lines
    )


def _quoted(text: str) -> Values:
    """Inside double quotes; a blank line ends what was never closed."""
    inside = np.zeros(len(text), np.float32)
    now = False
    for place, character in enumerate(text):
        if character == "“":
            now = True
        elif character == "”" or (character == "\n" and text[place - 1 : place] == "\n"):
            now = False
        elif character == '"':
            now = not now
        inside[place] = now
    return inside


def _depth(text: str) -> Values:
    """How many brackets are open; one that nothing opened is passed over."""
    depth = np.zeros(len(text), np.float32)
    opened: list[str] = []
    for place, character in enumerate(text):
        if character in _OPENING:
            opened.append(_CLOSING[_OPENING.index(character)])
        elif opened and character == opened[-1]:
            opened.pop()
        depth[place] = len(opened)
    return depth


def _since(marks: NDArray[np.bool_]) -> Values:
    """Return how many characters ago the last mark, or the beginning, was."""
    places = np.arange(len(marks))
    last = np.maximum.accumulate(np.where(marks, places, -1))
    since: Values = (places - last).astype(np.float32)
    return since


def _counted(events: NDArray[np.bool_], restarts: NDArray[np.bool_]) -> Values:
    """Return the number of events since the last restart."""
    total = np.cumsum(events)
    at_restart = np.maximum.accumulate(np.where(restarts, total, 0))
    counted: Values = (total - at_restart).astype(np.float32)
    return counted


def _is(text: str, test: Callable[[str], bool]) -> NDArray[np.bool_]:
    known = {character: test(character) for character in set(text)}
    return np.fromiter((known[each] for each in text), np.bool_, len(text))


def _breaks(text: str) -> NDArray[np.bool_]:
    return _is(text, lambda character: character == "\n")


def _word_starts(text: str) -> NDArray[np.bool_]:
    letters = _is(text, str.isalnum)
    starts: NDArray[np.bool_] = letters & ~np.concatenate([[False], letters[:-1]])
    return starts


def _spans(text: str, spans: list[tuple[int, int]]) -> Values:
    inside = np.zeros(len(text), np.float32)
    for first, end in spans:
        inside[first:end] = 1
    return inside


def _after_speaker(text: str) -> Values:
    """From a speaker's name at the start of a line to the end of the line that is spoken first."""
    spans = []
    for each in _SPEAKER.finditer(text):
        first_line = text.find("\n", each.end() + 1)
        spans.append((each.end() - 1, len(text) if first_line < 0 else first_line))
    return _spans(text, spans)


def _indentation(text: str) -> Values:
    """Count the blanks that the line began with, so far."""
    indentation = np.zeros(len(text), np.float32)
    for each in re.finditer(r"(?m)^[ \t]*", text):
        line_end = text.find("\n", each.end())
        end = len(text) if line_end < 0 else line_end
        indentation[each.start() : end] = np.minimum(
            np.arange(1, end - each.start() + 1), each.end() - each.start()
        )
    return indentation


def _sentence_over(text: str) -> Values:
    """From the full stop, question or exclamation mark that ends a sentence to the next letter."""
    return _spans(text, [each.span() for each in re.finditer(r"[.!?]['\"”’)\]]*(?:\s+|$)", text)])


def _code_spans(comment: bool) -> Callable[[str], Values]:
    def inside(text: str) -> Values:
        return _spans(
            text,
            [
                (each.start(), each.end() - (not comment))
                for each in _STRING_OR_COMMENT.finditer(text)
                if (each.lastgroup == "comment") == comment
            ],
        )

    return inside


FEATURES = (
    Feature("quote", "inside double quotes", _quoted),
    Feature("bracket", "inside brackets", lambda text: np.minimum(_depth(text), 1)),
    Feature("bracket depth", "how many brackets are open", _depth),
    Feature("line position", "characters since the line began", lambda text: _since(_breaks(text))),
    Feature(
        "words in line",
        "words since the line began",
        lambda text: _counted(_word_starts(text), _breaks(text)),
    ),
    Feature(
        "word position",
        "letters since the word began",
        lambda text: _since(~_is(text, str.isalnum)),
    ),
    Feature(
        "speaker name",
        "inside a capitalised speaker's name",
        lambda text: _spans(text, [each.span() for each in _SPEAKER.finditer(text)]),
    ),
    Feature("after speaker", "the first line after a speaker's name", _after_speaker),
    Feature("capital", "a capital letter", lambda text: _is(text, str.isupper).astype(np.float32)),
    Feature("digit", "a digit", lambda text: _is(text, str.isdigit).astype(np.float32)),
    Feature("sentence end", "a sentence is over, the next not begun", _sentence_over),
    Feature("indentation", "blanks that the line began with", _indentation),
    Feature("comment", "inside a comment", _code_spans(comment=True), only_code=True),
    Feature("string", "inside a string of a program", _code_spans(comment=False), only_code=True),
)
MEANINGS = {feature.name: feature.meaning for feature in FEATURES}
