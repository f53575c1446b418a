import string
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from charrnn.config.model import ModelConfig
from charrnn.config.sampling import SampleConfig
from charrnn.data.corpus import Corpus
from charrnn.data.vocabulary import UNKNOWN, Codes, Vocabulary
from charrnn.errors import ConfigError
from charrnn.model.network import CharRNN
from charrnn.sampling.constraints import (
    TextPosition,
    allowed_characters,
    check_contradictions,
    make_rules,
    position_after_prompt,
)
from charrnn.sampling.engines.interface import SamplingEngine
from charrnn.sampling.loop import generate

VOCABULARY = Vocabulary("\n ABCDEabcde")
COUNTS: Counter[str] = Counter()


class RandomEngine(SamplingEngine):
    """An engine with random logits."""

    def __init__(self, seed: int) -> None:
        self.vocabulary = VOCABULARY
        self.line_start = "A"
        self._generator = np.random.default_rng(seed)

    def read(self, codes_T: Codes) -> tuple[NDArray[np.float32], Any]:
        return self._logits(1), None

    def select_samples(self, state: Any, samples_B: NDArray[np.int64]) -> Any:
        return state

    def step(self, state: Any, codes_B: NDArray[np.int64]) -> tuple[NDArray[np.float32], Any]:
        return self._logits(len(codes_B)), None

    def _logits(self, samples: int) -> NDArray[np.float32]:
        shape = (samples, len(VOCABULARY))
        return self._generator.normal(scale=30, size=shape).astype(np.float32)


letters = st.text(st.sampled_from("abcdeABCDE"), min_size=1, max_size=4)


@settings(max_examples=300, deadline=None)
@given(
    st.integers(0, 2**32),
    st.sampled_from(["", "A bed", "Bed\n", "a\nbb"]),
    st.none() | letters,
    st.none() | st.text(st.sampled_from(VOCABULARY.characters), min_size=1),
    st.none() | st.integers(1, 9),
    st.none() | letters,
    st.sampled_from([0.0, 0.7, 2.0]),
)
def check_that_samples_obey_the_rules(
    seed: int,
    prompt: str,
    banned: str | None,
    only: str | None,
    max_length: int | None,
    word: str | None,
    temperature: float,
) -> None:
    config = SampleConfig(
        ban=banned, only=only, line_length=max_length, acrostic=word, temperature=temperature
    )
    try:
        make_rules(config, VOCABULARY)
    except ConfigError:
        COUNTS["refused"] += 1
        return
    texts = generate(RandomEngine(seed), prompt, config, length=40, num_samples=100, seed=seed)
    for text in texts:
        COUNTS["texts"] += 1
        if banned or only or max_length or word:
            assert not set(text) & set(banned or "")
            assert not only or set(text) <= set(only)
        prompt_column = len(prompt) - (prompt.rfind("\n") + 1)
        first, *others = (" " * prompt_column + text).split("\n")
        if max_length:
            assert (
                max(
                    map(
                        len,
                        [first[prompt_column:] if prompt_column > max_length else first, *others],
                    )
                )
                <= max_length
            )
        if word:
            lines = ([] if prompt_column else [first]) + others
            for line, letter in zip(lines, word, strict=False):
                assert not line or line[0].lower() == letter.lower()
            assert all(lines[: len(word)][:-1])
            assert len(lines) <= len(word) + 1
            assert lines[len(word) :] in ([], [""])


def test_every_sample_obeys_the_rules() -> None:
    COUNTS.clear()
    check_that_samples_obey_the_rules()
    assert COUNTS["texts"] >= 10_000
    assert COUNTS["refused"]


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 2**32),
    st.text(st.sampled_from("abc"), max_size=9),
    st.text(st.sampled_from("abcd\n"), min_size=20, max_size=200),
    st.integers(2, 6),
    st.sampled_from([None, "de"]),
)
def check_that_copied_passages_are_short(
    seed: int, prompt: str, body: str, max_length: int, banned: str | None
) -> None:
    corpus = Corpus.from_text(body)
    config = SampleConfig(max_copy=max_length, ban=banned, length=40, seed=seed, num_samples=10)
    try:
        texts = generate(RandomEngine(seed), prompt, config, corpus)
    except ConfigError:
        return
    for text in texts:
        whole = prompt + text
        for end in range(max(len(prompt), max_length) + 1, len(whole) + 1):
            assert whole[end - max_length - 1 : end] not in body
    unlimited = generate(RandomEngine(seed), prompt, config, corpus, max_copy=None)
    COUNTS["copied"] += any(unlimited[i] != texts[i] for i in range(10))


def test_no_copied_passage_is_longer_than_max_copy() -> None:
    COUNTS.clear()
    check_that_copied_passages_are_short()
    assert COUNTS["copied"]


def test_error_if_every_allowed_character_would_copy() -> None:
    corpus = Corpus.from_text("aaabaa")
    with pytest.raises(ConfigError, match=r"generated after 'a+', .* give a larger --max-copy"):
        generate(RandomEngine(1), "a", corpus=corpus, max_copy=1, only="ab", length=50)
    with pytest.raises(ConfigError, match="max_copy needs a text"):
        generate(RandomEngine(1), max_copy=3)


def test_rules_are_not_applied_to_texts_that_have_ended() -> None:
    corpus = Corpus.from_text("aab")  # after an "a" no character is allowed
    config = SampleConfig(max_copy=1, only="ab", stop="a", num_samples=40, temperature=90, seed=1)
    texts = generate(RandomEngine(3), "b", config, corpus)
    assert len({len(text) for text in texts}) > 3


def test_text_ends_with_the_last_line_of_an_acrostic() -> None:
    (text,) = generate(RandomEngine(1), acrostic="bead", length=1000, seed=1)
    lines = text.split("\n")
    assert [line[0].lower() for line in lines[:-1]] == list("bead")
    assert lines[-1] == ""


def test_acrostic_starts_on_the_line_after_the_prompt() -> None:
    assert position_after_prompt("one\ntwo") == TextPosition(-1, 3, "one\ntwo")
    assert position_after_prompt("one\n") == TextPosition(0, 0, "one\n")
    assert position_after_prompt("") == TextPosition(0, 0)
    assert TextPosition(-1, 3).advance("x").advance("\n") == TextPosition(0, 0, "x\n")


def test_a_character_is_allowed_if_all_rules_allow_it() -> None:
    rules = make_rules(SampleConfig(ban="ab", acrostic="ca"), VOCABULARY)
    allowed_BV = allowed_characters(
        rules, [TextPosition(0, 0), TextPosition(0, 1), TextPosition(1, 0)]
    )
    allowed = [
        "".join(c for c, is_allowed in zip(VOCABULARY.characters, row, strict=True) if is_allowed)
        for row in allowed_BV
    ]
    assert allowed == ["Cc", "\n ABCDEcde", "A"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ban": "\n " + string.ascii_letters}, "generated anywhere, because ban"),
        ({"only": "xyz"}, "generated anywhere, because only 'xyz' allows none"),
        (
            {"only": "abc", "line_length": 5},
            "where a line break must follow, because only 'abc' with",
        ),
        ({"acrostic": "ax"}, "a line that must begin with 'x', because acrostic 'ax'"),
        ({"ban": "Bb", "acrostic": "ab"}, "begin with 'b', because ban 'Bb' with acrostic 'ab'"),
        ({"only": "a", "acrostic": "aa"}, None),
    ],
)
def test_error_if_the_vocabulary_cannot_satisfy_the_rules(
    settings: dict[str, Any], message: str | None
) -> None:
    if message is None:
        assert make_rules(SampleConfig(**settings), VOCABULARY)
        return
    with pytest.raises(ConfigError) as caught:
        generate(RandomEngine(1), length=5, **settings)
    assert message in str(caught.value)


@pytest.mark.parametrize("settings", [{"acrostic": "a b"}, {"only": ""}, {"line_length": 0}])
def test_invalid_rule_settings_are_errors(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        SampleConfig(**settings)


def test_unknown_symbol_is_sampled_only_if_only_contains_it() -> None:
    vocabulary = Vocabulary(["a", "b", UNKNOWN])

    def allowed(config: SampleConfig) -> list[bool]:
        rules = make_rules(config, vocabulary)
        allowed_V: list[bool] = np.all(
            [rule(position_after_prompt("")) for rule in rules], axis=0
        ).tolist()
        return allowed_V

    assert allowed(SampleConfig()) == [True, True, False]
    assert allowed(SampleConfig(only="a" + UNKNOWN)) == [True, False, True]
    assert make_rules(SampleConfig(), Vocabulary("ab")) == ()


def test_a_vocabulary_with_the_unknown_symbol_does_not_change_the_start() -> None:
    shape = ModelConfig(num_layers=1, hidden_size=8)
    model = CharRNN(shape, Vocabulary(["a", "b", UNKNOWN]), "b").initialize(1)
    texts = generate(model, length=9, num_samples=8, seed=1)
    assert {text[0] for text in texts} == {"b"}
    assert UNKNOWN not in "".join(texts)
    assert {text[0] for text in generate(model, length=1, num_samples=8, seed=1, ban="b")} == {"a"}


@pytest.mark.parametrize(
    "settings",
    [
        {"only": "ab", "ban": "ba"},
        {"only": "abc", "line_length": 5},
        {"ban": "Bb", "acrostic": "ab"},
        {"only": "xyz", "acrostic": "a"},
    ],
)
def test_rules_that_contradict_each_other_are_found_without_a_model(
    settings: dict[str, Any],
) -> None:
    with pytest.raises(ConfigError, match=r"no character .* can be generated"):
        check_contradictions(SampleConfig(**settings))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"ban": "abc", "only": "cd"},
        {"only": "\u2603"},
        {"acrostic": "\u00df", "ban": "S"},
        {"ban": "B", "acrostic": "ab"},
        {"ban": "\ufffd", "line_length": 1},
        {"max_copy": 5},
    ],
)
def test_rules_that_some_model_can_follow_do_not_contradict(settings: dict[str, Any]) -> None:
    check_contradictions(SampleConfig(**settings))
