"""`no_repeat` is exact: no text contains a run of N characters twice. Loops are found."""

import string
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from charrnn.config.model import ModelConfig
from charrnn.config.sampling import SampleConfig
from charrnn.data.corpus import Corpus
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import ConfigError
from charrnn.model.network import CharRNN
from charrnn.sampling.conversation import Conversation
from charrnn.sampling.engines.cuda_graph import CudaGraphEngine
from charrnn.sampling.engines.eager import EagerEngine
from charrnn.sampling.engines.int8.engine import Int8Engine
from charrnn.sampling.engines.interface import SamplingEngine
from charrnn.sampling.engines.packed import PackedEngine
from charrnn.sampling.loop import generate, generate_scored, stream, stream_samples
from charrnn.sampling.repetition import RunHistory, find_loop, repeats_run


def make_engine(name: str, vocabulary: str = "abc\n") -> SamplingEngine:
    shape = ModelConfig(num_layers=1, hidden_size=8)
    model = CharRNN(shape, Vocabulary.from_text(vocabulary), "a").initialize(1)
    engines: dict[str, Callable[[CharRNN], SamplingEngine]] = {
        "eager": EagerEngine,
        "packed": PackedEngine,
        "block": lambda model: CudaGraphEngine(model, lambda work: work),
        "int8": lambda model: Int8Engine(model.arrays(), shape, model.vocabulary, "a"),
    }
    return engines[name](model)


def repeats(whole: str, end: int, length: int) -> bool:
    """Return whether the run that ends at `end` also occurs before, by comparing all places."""
    run = whole[end - length : end]
    return any(whole[start : start + length] == run for start in range(end - length))


def check_text(prompt: str, text: str, length: int, vocabulary: Vocabulary, limit: int) -> None:
    """Check that no new run repeats, and that a shorter text has no character left."""
    whole = prompt + text
    for end in range(max(length, len(prompt) + 1), len(whole) + 1):
        assert not repeats(whole, end, length)
    assert len(text) <= limit
    if len(text) < limit:
        assert all(
            repeats(whole + character, len(whole) + 1, length)
            for character in vocabulary.characters
        )


@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(["eager", "packed", "block", "int8"]),
    prompt=st.text("abc\n", max_size=30),
    length=st.integers(1, 6),
    temperature=st.sampled_from([0.0, 0.3, 1.0]),
    num_samples=st.integers(1, 4),
    seed=st.integers(0, 1000),
)
@example(name="int8", prompt="", length=1, temperature=0.0, num_samples=3, seed=0)
@example(name="packed", prompt="aaaa", length=3, temperature=1.0, num_samples=4, seed=0)
def test_no_run_occurs_twice(
    name: str, prompt: str, length: int, temperature: float, num_samples: int, seed: int
) -> None:
    engine = make_engine(name)
    config = SampleConfig(
        no_repeat=length, temperature=temperature, num_samples=num_samples, seed=seed, length=50
    )
    texts = generate(engine, prompt, config)
    for text in texts:
        check_text(prompt, text, length, engine.vocabulary, 50)
    assert texts[:1] == generate(engine, prompt, config, num_samples=1)


@pytest.mark.parametrize("name", ["eager", "packed", "block", "int8"])
@pytest.mark.parametrize("prompt", ["", "ab"])
def test_a_text_without_repetition_does_not_change(name: str, prompt: str) -> None:
    engine = make_engine(name, string.ascii_letters)
    free = generate(engine, prompt, length=60, seed=3, num_samples=2, temperature=2)
    assert (
        generate(engine, prompt, length=60, seed=3, num_samples=2, temperature=2, no_repeat=12)
        == free
    )
    loop = generate(engine, prompt, length=300, temperature=0)[0]
    guarded = generate(engine, prompt, length=300, temperature=0, no_repeat=12)[0]
    same = next(n for n in range(300) if loop[n] != guarded[n])
    whole = prompt + loop[: same + 1]
    assert repeats(whole, len(whole), 12)


def test_the_text_ends_when_no_character_is_left() -> None:
    engine = make_engine("packed")
    config = SampleConfig(no_repeat=1, length=50, num_samples=3, seed=2)
    pieces = list(stream_samples(engine, "a", config))
    assert sorted(piece.sample for piece in pieces if piece.ended_by_no_repeat) == [0, 1, 2]
    texts = generate(engine, "a", config)
    assert [sorted(text) for text in texts] == [["\n", "b", "c"]] * 3
    assert "".join(stream(engine, "a", config)) == texts[0]
    assert "" not in list(stream(engine, "a", config))
    assert [scored.ended_by_no_repeat for scored in generate_scored(engine, "a", config)] == [
        True
    ] * 3
    scored = generate_scored(engine, "a", config, None)[0]
    assert scored.log_probability < 0
    whole = list(stream_samples(engine, "a", SampleConfig(no_repeat=9, length=9, seed=1)))
    assert not any(piece.ended_by_no_repeat for piece in whole)


def test_samples_that_end_do_not_change_the_others() -> None:
    engine, config = make_engine("packed"), SampleConfig(no_repeat=2, length=40, seed=5)
    texts = generate(engine, "ab", config, num_samples=8, temperature=3)
    assert len({len(text) for text in texts}) > 1
    for number in range(1, 8):
        few = generate(engine, "ab", config, num_samples=number, temperature=3)
        assert few == texts[:number]


def test_a_possible_start_of_the_stop_text_is_shown_when_the_text_ends() -> None:
    engine = make_engine("packed")
    (text,) = generate(engine, "a", no_repeat=1, length=50, seed=2)
    stop = text[-1] + "aaaa"
    assert generate(engine, "a", no_repeat=1, length=50, seed=2, stop=stop) == [text]
    assert generate(engine, "a", no_repeat=1, length=50, seed=2, stop=text[1:]) == [text[0]]


def test_no_repeat_holds_with_other_rules() -> None:
    engine, corpus = make_engine("packed"), Corpus.from_text("abcab")
    settings: dict[str, Any] = {"length": 200, "seed": 1, "no_repeat": 3}
    for rules in ({"ban": "c"}, {"line_length": 5}, {"only": "ab"}, {"max_copy": 2}):
        (text,) = generate(engine, "a", corpus=corpus, **settings, **rules)
        whole = "a" + text
        assert not any(repeats(whole, end, 3) for end in range(3, len(whole) + 1))
        assert "c" not in text or "ban" not in rules
    with pytest.raises(ConfigError, match="would make the copied passage too long"):
        generate(engine, "a", corpus=Corpus.from_text("aaabaa"), max_copy=1, only="ab", no_repeat=9)


def test_the_whole_conversation_counts() -> None:
    conversation = Conversation(
        make_engine("packed"), SampleConfig(no_repeat=4, length=15, seed=1, temperature=0)
    )
    list(conversation.add_line("abcabc"))
    list(conversation.continue_text())
    list(conversation.add_line("bbb"))
    text = conversation.text
    user = [*range(6), *range(text.index("\nbbb"), text.index("\nbbb") + 4)]
    assert len(text) > 30
    for end in range(4, len(text) + 1):
        assert end - 1 in user or not repeats(text, end, 4)


@given(st.text("ab", max_size=40), st.text("ab", max_size=40), st.integers(1, 5))
def test_history_knows_every_run_that_would_repeat(prompt: str, text: str, length: int) -> None:
    shared = RunHistory(length, prompt)
    history, other = shared.copy(), shared.copy()
    other.add("a")
    whole = prompt
    for character in [*text, ""]:
        expected = {c for c in "ab" if repeats(whole + c, len(whole) + 1, length)}
        assert set(history.repeating) == expected
        if character:
            history.add(character)
            whole += character


@given(st.text("ab", max_size=8), st.text("ab", max_size=8), st.integers(1, 4))
def test_runs_that_a_text_repeats_are_found(prompt: str, text: str, length: int) -> None:
    ends = range(len(prompt) + length, len(prompt + text) + 1)
    repeated = any(repeats(prompt + text, end, length) for end in ends)
    assert repeats_run(prompt, text, length) <= repeated
    assert repeats_run("", text, length) == any(
        repeats(text, end, length) for end in range(length, len(text) + 1)
    )


@pytest.mark.parametrize("no_repeat", [0, -1, 1001, 2.5])
def test_no_repeat_is_from_1_to_1000(no_repeat: Any) -> None:
    with pytest.raises(ConfigError, match="no_repeat must be a whole number from 1 to 1,000"):
        SampleConfig(no_repeat=no_repeat)


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("It was " + "the " * 40, 6),  # the space before "the" repeats too
        ("Once upon-" + "and so it went on and on and on, " * 5, 10),
        ("x" + "a" * 100, 1),
        ("ab" * 50, 0),
        ("x" + "a" * 99, None),
        ("-" * 80 + "\n", None),  # a ruled line
        ("It was " + "the " * 40 + "e", None),  # the loop has ended
        ("to be or not to be, " * 2 + "that is the question. " * 2, None),
        ("".join(map(str, range(300))), None),
        ("", None),
    ],
)
def test_a_loop_is_found_where_it_starts(text: str, start: int | None) -> None:
    assert find_loop(text) == start


@given(st.integers(1, 500), st.integers(0, 400), st.integers(0, 10**6))
def test_loops_of_every_period_are_found(period: int, before: int, seed: int) -> None:
    draws = np.random.default_rng(seed)
    characters = np.array(list(string.ascii_letters))
    passage = "".join(draws.choice(characters, period))
    prefix = "".join(draws.choice(characters, before)) + "."
    repetitions = max(3, -(-100 // period))
    assert find_loop(prefix + passage * repetitions) == before + 1
    assert find_loop(prefix + passage * repetitions + passage[: period // 2]) == before + 1
    if period >= 100:
        assert find_loop(prefix + passage * 2) is None


def test_a_loop_that_contains_a_repetition_is_found() -> None:
    half = "".join(map(str, range(50)))
    assert find_loop("X" + (half + "-" + half) * 3) == 1
