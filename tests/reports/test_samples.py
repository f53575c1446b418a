"""The warnings about generated texts."""

import json
import string
from typing import Any

import pytest

from charrnn.config.sampling import SampleConfig
from charrnn.data.vocabulary import UNKNOWN, Vocabulary
from charrnn.reports.samples import describe_repetition, describe_unused
from charrnn.training.events import Finished
from tests.conftest import Cli

VOCABULARY = Vocabulary(["\n", *string.ascii_lowercase, UNKNOWN])


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"stop": "ab\n"}, None),
        ({"only": "ab", "ban": "c"}, None),
        ({"stop": "aXbX"}, "because the model never generates 'X' (U+0058)"),
        ({"stop": "\\n"}, r"backslash (U+005C): give --escape to read \n as a line break"),
        ({"stop": "ab", "ban": "b"}, "because the model never generates 'b' (U+0062)"),
        ({"stop": "ab", "only": "bcd"}, "because the model never generates 'a' (U+0061)"),
        ({"stop": UNKNOWN}, "never generates '\ufffd' (U+FFFD)"),
        ({"stop": UNKNOWN, "only": "a" + UNKNOWN}, None),
        ({"stop": "abcd", "length": 3}, "because that is longer than --length 3"),
        ({"stop": "abc", "length": 3}, None),
        ({"stop": "ab\nabc", "line_length": 3}, None),
        ({"stop": "ab\nabc", "line_length": 2}, "has a line longer than --line-length 2"),
        ({"stop": "ends", "no_repeat": 5}, None),
        ({"stop": "ends", "no_repeat": 4}, "a passage of length 4: give a larger --no-repeat"),
        ({"stop": "promp", "no_repeat": 5}, "a passage of length 5: give a larger --no-repeat"),
        ({"stop": "xxxx", "no_repeat": 3}, "a passage of length 3: give a larger --no-repeat"),
        ({"stop": "xxx", "no_repeat": 3}, None),
        ({"only": "abX"}, "--only contains 'X' (U+0058), which the model's vocabulary lacks"),
        ({"ban": "abX"}, "--ban contains 'X' (U+0058), which the model's vocabulary lacks"),
    ],
)
def test_texts_without_effect_are_described(settings: dict[str, Any], expected: str | None) -> None:
    sentences = describe_unused(SampleConfig(**settings), VOCABULARY, "a prompt, which ends")
    assert len(sentences) == (expected is not None)
    assert not expected or sentences[0].endswith(expected)


LOOP, NO_LOOP = "once " + "upon a time " * 12, string.printable * 3


def test_a_loop_is_reported_once_and_only_at_temperature_zero() -> None:
    config = SampleConfig(temperature=0)
    (sentence,) = describe_repetition(config, [LOOP], 0)
    assert sentence == (
        "the text at temperature 0 repeats itself from new character 4 on: give --no-repeat 20 or "
        "a higher --temperature"
    )
    assert describe_repetition(config, [NO_LOOP[:100]], 0) == []
    assert describe_repetition(SampleConfig(temperature=0.1), [LOOP], 0) == []
    both = SampleConfig(temperature=(0.5, 0), num_samples=2)
    assert describe_repetition(both, [LOOP, LOOP, NO_LOOP[:50], ""], 0) == []
    assert describe_repetition(both, ["", "", LOOP, LOOP], 0) == [sentence]


def test_texts_that_ended_early_are_reported_in_one_sentence() -> None:
    config = SampleConfig(no_repeat=20)
    reason = "because each possible next character would repeat a passage of length 20"
    assert describe_repetition(config, ["abc"], 0) == []
    assert describe_repetition(config, ["abc"], 1) == [
        f"the text ends early, after 3 new characters, {reason}: give a larger --no-repeat"
    ]
    several = SampleConfig(no_repeat=20, num_samples=3)
    assert describe_repetition(several, ["a", "b", "c"], 2) == [
        f"2 of 3 texts end early, {reason}: give a larger --no-repeat"
    ]


def test_sample_warns_on_stderr(cli: Cli, finished: Finished) -> None:
    sample = ("sample", "verse", "-s", 1, "-n", 60)
    ended = cli(*sample, "--no-repeat", 1)
    assert ended.code == 0
    assert len(set(ended.out)) == len(ended.out) < 60
    assert ended.err.count("\n") == 1
    assert f"ends early, after {len(ended.out)} new characters, because each possible" in ended.err
    result = json.loads(cli(*sample, "--no-repeat", 1, "--json").out)
    assert result["samples"][0]["ended_by_no_repeat"]
    assert result["samples"][0]["text"] == ended.out
    never = cli(*sample, "--stop", "~")
    assert (never.code, len(never.out)) == (0, 60)
    assert never.err == (
        "warning: no text ends at the stop text, because the model never generates '~' (U+007E)\n"
    )
    assert cli(*sample, "--only", "~").err.count("\n") == 1  # the error only
    loop = cli("sample", "verse", "-t", 0, "-n", 1500, "-s", 1)
    assert "repeats itself from new character" in loop.err
    assert loop.err.count("\n") == 1
    assert "repeats itself" in cli("sample", "verse", "-t", 0, "-n", 1500, "--json").err
    guarded = cli("sample", "verse", "-t", 0, "-n", 1500, "-s", 1, "--no-repeat", 12)
    assert "repeats itself" not in guarded.err
    text = guarded.out
    assert all(text.find(text[end - 12 : end]) == end - 12 for end in range(12, len(text) + 1))
