"""Constraints on generated text. A rule returns the characters that are allowed next.

A rule is a pure function of the position in the text. With several rules, a character is allowed if
all of them allow it.

Shape suffixes: B samples, V characters of the vocabulary.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.config.sampling import MAX_LOOKBACK, SampleConfig
from charrnn.data.character_names import name_character
from charrnn.data.corpus import Corpus
from charrnn.data.vocabulary import UNKNOWN, Vocabulary
from charrnn.errors import ConfigError
from charrnn.sampling.novelty import NextCharacters

_ANY_OTHER = "\ue000"  # stands for all characters that no rule names (a private code point)

AllowedMask = NDArray[np.bool_]
"""(V,): True for each character that may come next."""


class TextPosition(NamedTuple):
    """The position of the next character of a text."""

    line: int
    """The number of its line, from 0; -1 on the last line of the prompt."""
    column: int
    """The number of characters before it on its line, including the prompt."""
    preceding: str = ""
    """The last characters before it, including the prompt."""
    repeating: str = ""
    """The characters that would complete a run that the text, including the prompt, contains."""

    def advance(self, character: str, repeating: str = "") -> "TextPosition":
        """Return the position after this character, with the characters that would then repeat."""
        preceding = (self.preceding + character)[-MAX_LOOKBACK:]
        if character == "\n":
            return TextPosition(self.line + 1, 0, preceding, repeating)
        return TextPosition(self.line, self.column + 1, preceding, repeating)


Rule = Callable[[TextPosition], AllowedMask]


def position_after_prompt(prompt: str) -> TextPosition:
    """Return the position of the first character after a prompt."""
    column = len(prompt) - (prompt.rfind("\n") + 1)
    preceding = prompt[-MAX_LOOKBACK:]
    return TextPosition(-1, column, preceding) if column else TextPosition(0, 0, preceding)


def ban(vocabulary: Vocabulary, characters: str) -> Rule:
    """Return a rule that allows all characters except these."""
    allowed_V = ~_member_mask(vocabulary, characters)
    return lambda position: allowed_V


def allow_only(vocabulary: Vocabulary, characters: str) -> Rule:
    """Return a rule that allows only these characters."""
    allowed_V = _member_mask(vocabulary, characters)
    return lambda position: allowed_V


def limit_line_length(vocabulary: Vocabulary, max_length: int) -> Rule:
    """Return a rule that allows only a line break after `max_length` characters of a line."""
    all_V, line_break_V = np.ones(len(vocabulary), np.bool_), _member_mask(vocabulary, "\n")
    return lambda position: line_break_V if position.column >= max_length else all_V


def require_acrostic(vocabulary: Vocabulary, word: str) -> Rule:
    """Return a rule that makes line k start with letter k of `word`, in upper or lower case."""
    all_V = np.ones(len(vocabulary), np.bool_)
    letters = [
        _member_mask(vocabulary, letter + letter.upper() + letter.lower()) for letter in word
    ]

    def rule(position: TextPosition) -> AllowedMask:
        is_line_start = position.column == 0 and 0 <= position.line < len(letters)
        return letters[position.line] if is_line_start else all_V

    return rule


def limit_copying(vocabulary: Vocabulary, corpus: Corpus, max_copied: int) -> Rule:
    """Return a rule that ends passages copied from the corpus after `max_copied` characters."""
    all_V, next_characters = np.ones(len(vocabulary), np.bool_), NextCharacters(corpus, max_copied)

    def rule(position: TextPosition) -> AllowedMask:
        if len(position.preceding) < max_copied:
            return all_V
        return ~_member_mask(vocabulary, next_characters.after(position.preceding[-max_copied:]))

    return rule


def forbid_repetition(vocabulary: Vocabulary) -> Rule:
    """Return a rule that allows no character that would complete a run of the text again."""
    all_V = np.ones(len(vocabulary), np.bool_)

    def rule(position: TextPosition) -> AllowedMask:
        if not position.repeating:
            return all_V
        return ~_member_mask(vocabulary, position.repeating)

    return rule


def allow_end(rule: Rule, vocabulary: Vocabulary, separator: str) -> Rule:
    """Return a rule that also allows the separator, so that a document can end anywhere."""
    is_end_V = _member_mask(vocabulary, separator)
    return lambda position: rule(position) | is_end_V


def find_never_generated(config: SampleConfig, vocabulary: Vocabulary, text: str) -> str:
    """Return the characters of a text that are never generated, because of a rule or at all."""
    bans_unknown = UNKNOWN not in (config.only or "")
    return "".join(
        character
        for character in dict.fromkeys(text)
        if character not in vocabulary
        or character in (config.ban or "")
        or (config.only is not None and character not in config.only)
        or (character == UNKNOWN and bans_unknown)
    )


def make_rules(
    config: SampleConfig, vocabulary: Vocabulary, corpus: Corpus | None = None
) -> tuple[Rule, ...]:
    """Return the rules of a config; `max_copy` limits copying from `corpus`.

    Raises `ConfigError` if no character of the vocabulary is allowed at some position. This check
    does not include `max_copy` and `no_repeat`, which depend on the text.
    """
    rules: list[Rule] = []
    if config.ban is not None:
        rules.append(ban(vocabulary, config.ban))
    if config.only is not None:
        rules.append(allow_only(vocabulary, config.only))
    if UNKNOWN in vocabulary and UNKNOWN not in (config.only or ""):
        rules.append(ban(vocabulary, UNKNOWN))
    if config.line_length is not None:
        rules.append(limit_line_length(vocabulary, config.line_length))
    if config.acrostic is not None:
        rules.append(require_acrostic(vocabulary, config.acrostic))
    if rules:
        _check_satisfiable(rules, config)
    if config.max_copy is not None:
        if corpus is None:
            raise ConfigError(
                "max_copy needs a text to compare with", "give a corpus", setting="max_copy"
            )
        rules.append(limit_copying(vocabulary, corpus, config.max_copy))
    if config.no_repeat is not None:
        rules.append(forbid_repetition(vocabulary))
    return tuple(rules)


def make_text_rules(
    config: SampleConfig,
    vocabulary: Vocabulary,
    corpus: Corpus | None,
    separator: str | None,
    prompt: str,
) -> tuple[Rule, ...]:
    """Return the rules of a text that follows `prompt`; see `make_rules`.

    With a `separator`, they let a document end anywhere, unless the config bans it. Raises
    `ConfigError` also for a prompt that contains the separator, and for an acrostic of documents
    that have one line.
    """
    rules = make_rules(config, vocabulary, corpus)
    if not separator:
        return rules
    if separator in prompt:
        raise ConfigError(
            f"the prompt contains {name_character(separator)}, which separates the documents of "
            "this model",
            "give the start of one document",
        )
    if config.acrostic and separator == "\n":
        raise ConfigError(
            "acrostic needs several lines, but a document of this model is one line",
            "omit it",
            setting="acrostic",
        )
    if separator in (config.ban or ""):
        return rules
    return tuple(allow_end(rule, vocabulary, separator) for rule in rules)


def samples_first_character(config: SampleConfig) -> bool:
    """Return whether rules can forbid the line start, so that the first character is sampled."""
    rules = (config.ban, config.only, config.line_length, config.acrostic, config.max_copy)
    return any(rule is not None for rule in rules)


def check_contradictions(config: SampleConfig) -> None:
    """Raise `ConfigError` if the rules allow no character, whatever the vocabulary is."""
    named = f"{config.ban or ''}{config.only or ''}{config.acrostic or ''}"
    characters = {*named, *named.lower(), *named.upper(), "\n", _ANY_OTHER}
    single = sorted(character for character in characters if len(character) == 1)
    make_rules(dataclasses.replace(config, max_copy=None), Vocabulary(single))


def allowed_characters(
    rules: Sequence[Rule], positions: Sequence[TextPosition]
) -> NDArray[np.bool_]:
    """Return the characters (B, V) that all rules allow at the position of each sample."""
    rows = []
    for position in positions:
        allowed_V = rules[0](position)
        for rule in rules[1:]:
            allowed_V = allowed_V & rule(position)
        rows.append(allowed_V)
    return np.stack(rows)


def allowed_or_raise(rules: Sequence[Rule], positions: Sequence[TextPosition]) -> NDArray[np.bool_]:
    """Return `allowed_characters`. A sample has none if each of them would repeat a run.

    Raises `ConfigError` if a sample has none for another reason.
    """
    allowed_BV = allowed_characters(rules, positions)
    for sample in np.flatnonzero(~allowed_BV.any(axis=1)).tolist():
        position = positions[sample]
        if not allowed_characters(rules, [position._replace(repeating="")]).any():
            raise ConfigError(
                f"no character can be generated after {position.preceding[-20:]!r}, because each "
                "possible character would make the copied passage too long",
                "give a larger --max-copy",
                "relax other rules, if there are any",
            )
    return allowed_BV


def _check_satisfiable(rules: Sequence[Rule], config: SampleConfig) -> None:
    """Check one position of each kind: the first, the last and the other columns of each line."""
    word = config.acrostic or ""
    for line in range(-1, len(word) + 1):
        for column in sorted({0, 1, config.line_length or 1}):
            if (line, column) != (-1, 0) and not allowed_characters(
                rules, [TextPosition(line, column)]
            ).any():
                raise _conflict_error(line, column, config)


def _conflict_error(line: int, column: int, config: SampleConfig) -> ConfigError:
    names = [
        f"{name.replace('_', ' ')} {value!r}"
        for name in ("ban", "only", "line_length", "acrostic")
        if (value := getattr(config, name)) is not None
    ]
    place = "anywhere"
    if config.line_length is not None and column >= config.line_length:
        place = "at the end of a line, where a line break must follow"
    elif config.acrostic and column == 0 and 0 <= line < len(config.acrostic):
        place = f"at the start of a line that must begin with {config.acrostic[line]!r}"
    return ConfigError(
        f"no character of the model's vocabulary can be generated {place}, because "
        f"{' with '.join(names)} allows none",
        "allow more characters",
    )


def _member_mask(vocabulary: Vocabulary, characters: str | set[str]) -> AllowedMask:
    return np.array([character in characters for character in vocabulary.characters], np.bool_)
