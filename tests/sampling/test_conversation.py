import dataclasses

import pytest

from charrnn.config.model import ModelConfig
from charrnn.config.sampling import SampleConfig
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import ConfigError, VocabularyError
from charrnn.model.network import CharRNN
from charrnn.sampling.conversation import Conversation
from charrnn.sampling.engines.interface import SamplingEngine
from charrnn.sampling.engines.selection import engine_for
from charrnn.sampling.loop import generate

CONFIG = SampleConfig(length=20, seed=5, temperature=1.2)


@pytest.fixture
def engine() -> SamplingEngine:
    shape = ModelConfig(num_layers=2, hidden_size=12)
    return engine_for(CharRNN(shape, Vocabulary("\n abcd"), "c").initialize(1))


def test_answer_equals_generate_with_the_same_seed(engine: SamplingEngine) -> None:
    conversation = Conversation(engine, CONFIG)
    answer = "".join(conversation.add_line("ab"))
    assert [answer] == generate(engine, "ab", CONFIG)
    assert conversation.text == "ab" + answer
    without_prompt = Conversation(engine, CONFIG)
    assert ["".join(without_prompt.continue_text())] == generate(engine, "", CONFIG)


def test_a_conversation_without_a_line_starts_like_a_document() -> None:
    shape = ModelConfig(num_layers=2, hidden_size=12)
    engine = engine_for(CharRNN(shape, Vocabulary("\n\x1c abcd"), "c").initialize(1))
    conversation = Conversation(engine, CONFIG)
    first = "".join(conversation.continue_text())
    assert [first] == generate(engine, "", CONFIG)
    expected = generate(engine, "\n\x1c" + first, CONFIG, seed=6)
    assert ["".join(conversation.continue_text())] == expected


def test_with_a_model_of_documents_each_line_starts_a_new_one() -> None:
    shape = ModelConfig(num_layers=2, hidden_size=12)
    vocabulary = Vocabulary("\n abcd")
    engine = engine_for(CharRNN(shape, vocabulary, separator="\n").initialize(1))
    config = dataclasses.replace(CONFIG, length=6)
    conversation = Conversation(engine, config)
    ended, has_ended = 0, False
    for number, prompt in enumerate(["ab", "", "", "cd", "a", "", "b"]):
        before = conversation.text
        answers = conversation.add_line(prompt) if prompt else conversation.continue_text()
        answer = "".join(answers)
        start = prompt if prompt or has_ended else before
        assert [answer] == generate(engine, start, config, seed=5 + number)
        assert conversation.text == start + answer
        has_ended = len(answer) < config.length
        ended += has_ended
    assert 0 < ended < 7


def test_a_stopped_document_is_continued() -> None:
    shape = ModelConfig(num_layers=2, hidden_size=12)
    model = CharRNN(shape, Vocabulary("\n abcd"), separator="\n").initialize(1)
    conversation = Conversation(engine_for(model), CONFIG)
    conversation.set(stop="c", length=200)
    kinds = set()
    for _ in range(9):
        assert len("".join(conversation.add_line("ab"))) < 200
        before, has_ended = conversation.text, conversation._has_ended
        kinds.add(has_ended)
        answer = "".join(conversation.continue_text())
        assert conversation.text == ("" if has_ended else before) + answer
    assert kinds == {True, False}  # some end at the stop text, some at the end of a document


def test_a_prompt_is_the_start_of_one_document() -> None:
    shape = ModelConfig(num_layers=2, hidden_size=12)
    model = CharRNN(shape, Vocabulary("\n abcd"), separator="\n").initialize(1)
    with pytest.raises(ConfigError, match=r"the prompt contains line break \(U\+000A\), which"):
        generate(model, "ab\nc", CONFIG)
    with pytest.raises(ConfigError, match=r"^acrostic needs several lines, but a document of"):
        generate(model, "", CONFIG, acrostic="ab")


def test_an_empty_first_answer_changes_nothing() -> None:
    shape = ModelConfig(num_layers=2, hidden_size=12)
    model = CharRNN(shape, Vocabulary("\n abcd"), "c").initialize(1)
    for parameter in model.parameters():
        parameter.data *= 9  # so that the next character depends on the state
    engine = engine_for(model)
    conversation = Conversation(engine, CONFIG)
    conversation.set(length=0)
    assert list(conversation.continue_text()) == []
    conversation.set(length=20)
    answer = "".join(conversation.continue_text())
    assert [answer] == generate(engine, "", CONFIG, seed=6)
    assert conversation.text == answer


def test_answers_continue_the_whole_text(engine: SamplingEngine) -> None:
    conversation = Conversation(engine, CONFIG)
    list(conversation.add_line("ab"))
    for start_answer in (
        conversation.continue_text,
        lambda: conversation.add_line("ba"),
        conversation.continue_text,
    ):
        pieces = start_answer()
        text, seed = conversation.text, 5 + conversation._num_answers
        expected = generate(engine, text, CONFIG, seed=seed, temperature=0)
        conversation.config = SampleConfig(length=20, seed=5, temperature=0)
        assert ["".join(pieces)] == expected
    without_prompt = Conversation(engine, CONFIG)
    first = "".join(without_prompt.continue_text())
    assert ["".join(without_prompt.continue_text())] == generate(
        engine, "\n" + first, CONFIG, seed=6
    )


def test_line_of_the_user_starts_on_a_new_line(engine: SamplingEngine) -> None:
    conversation = Conversation(engine, SampleConfig(length=3, seed=5, only="a"))
    list(conversation.add_line("b"))
    list(conversation.add_line("c"))
    assert conversation.text == "baaa\ncaaa"


def test_retry_removes_the_last_answer(engine: SamplingEngine) -> None:
    conversation = Conversation(engine, CONFIG)
    first = "".join(conversation.add_line("ab"))
    second = "".join(conversation.retry())
    assert first != second
    assert conversation.text == "ab" + second
    assert [second] == generate(engine, "ab", CONFIG, seed=6)
    conversation.set(seed=5)
    assert "".join(conversation.retry()) == first


def test_stopped_answer_keeps_the_displayed_text(engine: SamplingEngine) -> None:
    conversation = Conversation(engine, CONFIG)
    pieces = conversation.add_line("ab")
    displayed = next(pieces) + next(pieces)
    pieces.close()
    assert conversation.text == "ab" + displayed
    assert ["".join(conversation.continue_text())] == generate(
        engine, "ab" + displayed, CONFIG, seed=6
    )


def test_invalid_input_changes_nothing(engine: SamplingEngine) -> None:
    conversation = Conversation(engine, CONFIG)
    list(conversation.add_line("ab"))
    text, config = conversation.text, conversation.config
    with pytest.raises(VocabularyError):
        conversation.add_line("x")
    with pytest.raises(ConfigError):
        conversation.set(temperature=-1)
    assert (conversation.text, conversation.config) == (text, config)
    conversation.clear()
    assert conversation.text == ""
    conversation.set(seed=5)
    assert ["".join(conversation.add_line("ab"))] == generate(engine, "ab", CONFIG)


def test_conversation_chooses_a_seed_if_none_is_set(engine: SamplingEngine) -> None:
    chosen = {Conversation(engine, SampleConfig()).config.seed for _ in range(4)}
    assert len(chosen) > 1
    assert None not in chosen
