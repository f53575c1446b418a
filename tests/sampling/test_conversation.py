import pytest

from charrnn.config.model import ModelConfig
from charrnn.config.sampling import SampleConfig
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import ConfigError, VocabularyError
from charrnn.model.network import CharRNN
from charrnn.sampling.conversation import Conversation
from charrnn.sampling.engines.interface import Writer
from charrnn.sampling.engines.selection import writer_for
from charrnn.sampling.loop import generate

CONFIG = SampleConfig(length=20, seed=5, temperature=1.2)


@pytest.fixture
def writer() -> Writer:
    shape = ModelConfig(num_layers=2, hidden_size=12)
    return writer_for(CharRNN(shape, Vocabulary("\n abcd"), "c").initialize(1))


def test_an_answer_is_what_sample_writes(writer: Writer) -> None:
    conversation = Conversation(writer, CONFIG)
    answer = "".join(conversation.say("ab"))
    assert [answer] == generate(writer, "ab", CONFIG)
    assert conversation.text == "ab" + answer
    untold = Conversation(writer, CONFIG)
    assert ["".join(untold.more())] == generate(writer, "", CONFIG)


def test_it_goes_on_from_the_whole_text(writer: Writer) -> None:
    conversation = Conversation(writer, CONFIG)
    list(conversation.say("ab"))
    for ask in (conversation.more, lambda: conversation.say("ba"), conversation.more):
        pieces = ask()
        text, seed = conversation.text, 5 + conversation._answers
        expected = generate(writer, text, CONFIG, seed=seed, temperature=0)
        conversation.config = SampleConfig(length=20, seed=5, temperature=0)
        assert ["".join(pieces)] == expected
    begun = Conversation(writer, CONFIG)
    first = "".join(begun.more())
    assert ["".join(begun.more())] == generate(writer, "\n" + first, CONFIG, seed=6)


def test_a_line_stands_below_the_text(writer: Writer) -> None:
    conversation = Conversation(writer, SampleConfig(length=3, seed=5, only="a"))
    list(conversation.say("b"))
    list(conversation.say("c"))
    assert conversation.text == "baaa\ncaaa"


def test_an_answer_taken_back_leaves_no_trace(writer: Writer) -> None:
    conversation = Conversation(writer, CONFIG)
    first = "".join(conversation.say("ab"))
    second = "".join(conversation.again())
    assert first != second
    assert conversation.text == "ab" + second
    assert [second] == generate(writer, "ab", CONFIG, seed=6)
    conversation.set(seed=5)
    assert "".join(conversation.again()) == first


def test_an_answer_that_is_stopped_counts_as_far_as_it_was_seen(writer: Writer) -> None:
    conversation = Conversation(writer, CONFIG)
    pieces = conversation.say("ab")
    seen = next(pieces) + next(pieces)
    pieces.close()
    assert conversation.text == "ab" + seen
    assert ["".join(conversation.more())] == generate(writer, "ab" + seen, CONFIG, seed=6)


def test_what_is_wrong_changes_nothing(writer: Writer) -> None:
    conversation = Conversation(writer, CONFIG)
    list(conversation.say("ab"))
    text, config = conversation.text, conversation.config
    with pytest.raises(VocabularyError):
        conversation.say("x")
    with pytest.raises(ConfigError):
        conversation.set(temperature=-1)
    assert (conversation.text, conversation.config) == (text, config)
    conversation.begin_anew()
    assert conversation.text == ""
    conversation.set(seed=5)
    assert ["".join(conversation.say("ab"))] == generate(writer, "ab", CONFIG)


def test_a_seed_is_chosen_where_none_is_given(writer: Writer) -> None:
    chosen = {Conversation(writer, SampleConfig()).config.seed for _ in range(4)}
    assert len(chosen) > 1
    assert None not in chosen
