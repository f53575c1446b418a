"""What a text is held to, character by character: each rule says which characters may come next.

A rule is a pure function of the place in the text; several rules allow what each of them allows.

Shape suffixes: B samples, V characters of the vocabulary.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.config.sampling import MAX_LOOKBACK, SampleConfig
from charrnn.data.corpus import Corpus
from charrnn.data.vocabulary import UNKNOWN, Vocabulary
from charrnn.errors import ConfigError
from charrnn.sampling.novelty import Followers

Allowed = NDArray[np.bool_]
"""True for each character (V) that may come next."""


class Place(NamedTuple):
    """Where the next character of a text would stand."""

    line: int
    """Lines before it, from 0; -1 on a line that the prompt has begun."""
    column: int
    """Characters before it on its line, those of the prompt too."""
    before: str = ""
    """The last characters before it, those of the prompt too."""

    def after(self, character: str) -> "Place":
        """Return the place behind a character."""
        before = (self.before + character)[-MAX_LOOKBACK:]
        if character == "\n":
            return Place(self.line + 1, 0, before)
        return Place(self.line, self.column + 1, before)


Rule = Callable[[Place], Allowed]


def first_place(prompt: str) -> Place:
    """Return the place behind a prompt."""
    begun = len(prompt) - (prompt.rfind("\n") + 1)
    before = prompt[-MAX_LOOKBACK:]
    return Place(-1, begun, before) if begun else Place(0, 0, before)


def ban(vocabulary: Vocabulary, characters: str) -> Rule:
    """Allow all but these characters."""
    allowed_V = ~_members(vocabulary, characters)
    return lambda place: allowed_V


def only(vocabulary: Vocabulary, characters: str) -> Rule:
    """Allow these characters alone."""
    allowed_V = _members(vocabulary, characters)
    return lambda place: allowed_V


def line_length(vocabulary: Vocabulary, most: int) -> Rule:
    """Allow lines of at most `most` characters: then nothing but a line break."""
    anything_V, break_V = np.ones(len(vocabulary), np.bool_), _members(vocabulary, "\n")
    return lambda place: break_V if place.column >= most else anything_V


def acrostic(vocabulary: Vocabulary, word: str) -> Rule:
    """Let line k begin with letter k of `word`, in either case."""
    anything_V = np.ones(len(vocabulary), np.bool_)
    letters = [_members(vocabulary, letter + letter.upper() + letter.lower()) for letter in word]

    def allowed(place: Place) -> Allowed:
        begins = place.column == 0 and 0 <= place.line < len(letters)
        return letters[place.line] if begins else anything_V

    return allowed


def max_copy(vocabulary: Vocabulary, corpus: Corpus, most: int) -> Rule:
    """Forbid to go on with a passage of the corpus for more than `most` characters."""
    anything_V, followers = np.ones(len(vocabulary), np.bool_), Followers(corpus, most)

    def allowed(place: Place) -> Allowed:
        if len(place.before) < most:
            return anything_V
        return ~_members(vocabulary, followers.after(place.before[-most:]))

    return allowed


def rules_of(
    config: SampleConfig, vocabulary: Vocabulary, corpus: Corpus | None = None
) -> tuple[Rule, ...]:
    """Return the rules that a config asks for; `corpus` is what may not be copied from.

    Raises `ConfigError` where the vocabulary leaves no character to write at some place, but for
    what `max_copy` forbids: that depends on the text.
    """
    rules: list[Rule] = []
    if config.ban is not None:
        rules.append(ban(vocabulary, config.ban))
    if config.only is not None:
        rules.append(only(vocabulary, config.only))
    if UNKNOWN in vocabulary and UNKNOWN not in (config.only or ""):
        rules.append(ban(vocabulary, UNKNOWN))
    if config.line_length is not None:
        rules.append(line_length(vocabulary, config.line_length))
    if config.acrostic is not None:
        rules.append(acrostic(vocabulary, config.acrostic))
    if rules:
        _check(rules, config)
    if config.max_copy is not None:
        if corpus is None:
            raise ConfigError("max_copy needs the text that is not to be copied: give a corpus")
        rules.append(max_copy(vocabulary, corpus, config.max_copy))
    return tuple(rules)


def allowed_at(rules: Sequence[Rule], places: Sequence[Place]) -> NDArray[np.bool_]:
    """Return the characters (B, V) that all rules allow, at the place of each sample."""
    rows = []
    for place in places:
        allowed_V = rules[0](place)
        for rule in rules[1:]:
            allowed_V = allowed_V & rule(place)
        rows.append(allowed_V)
    return np.stack(rows)


def allowed_in_text(rules: Sequence[Rule], places: Sequence[Place]) -> NDArray[np.bool_]:
    """Return the same while writing; raise `ConfigError` where nothing is left to write."""
    allowed_BV = allowed_at(rules, places)
    stuck_B = ~allowed_BV.any(axis=1)
    if stuck_B.any():
        before = places[int(stuck_B.argmax())].before[-20:]
        raise ConfigError(
            f"no character can be written after {before!r}: whatever the other rules allow there "
            "would go on with what is copied; raise --max-copy"
        )
    return allowed_BV


def _check(rules: Sequence[Rule], config: SampleConfig) -> None:
    """Try every kind of place: rules tell apart the first, the last and the other columns."""
    word = config.acrostic or ""
    for line in range(-1, len(word) + 1):
        for column in sorted({0, 1, config.line_length or 1}):
            if (line, column) != (-1, 0) and not allowed_at(rules, [Place(line, column)]).any():
                raise ConfigError(_why(line, column, config))


def _why(line: int, column: int, config: SampleConfig) -> str:
    names = [
        f"--{name.replace('_', '-')} {value!r}"
        for name in ("ban", "only", "line_length", "acrostic")
        if (value := getattr(config, name)) is not None
    ]
    where = "anywhere"
    if config.line_length is not None and column >= config.line_length:
        where = "at the end of a line, where only a line break would do"
    elif config.acrostic and column == 0 and 0 <= line < len(config.acrostic):
        where = f"where a line has to begin with {config.acrostic[line]!r}"
    return (
        f"no character of the model's vocabulary can be written {where}: {' with '.join(names)} "
        "leaves none; allow more characters"
    )


def _members(vocabulary: Vocabulary, characters: str | set[str]) -> Allowed:
    return np.array([each in characters for each in vocabulary.characters], np.bool_)
