import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.data.character_notes import CharacterFacts, describe_unusual_characters
from charrnn.data.vocabulary import (
    UNKNOWN,
    CharacterCounts,
    Vocabulary,
)
from charrnn.errors import VocabularyError

TEXTS = st.text(min_size=1, max_size=300)
PIECES = st.lists(st.text(max_size=40), min_size=1, max_size=5).filter(any)


def count_characters(*pieces: str) -> CharacterCounts:
    counter = CharacterCounts()
    for piece in pieces:
        counter.add(piece)
    return counter


@given(PIECES)
def test_every_character_is_counted_for_every_split_of_the_text(pieces: list[str]) -> None:
    text, counter = "".join(pieces), count_characters(*pieces)
    vocabulary = counter.make_vocabulary()
    assert vocabulary == Vocabulary.from_text(text)
    assert dict(zip(vocabulary.characters, counter.counts_of(vocabulary), strict=True)) == {
        character: text.count(character) for character in set(text)
    }
    assert (counter.total, counter.num_distinct) == (len(text), len(set(text)))


def test_a_long_piece_is_counted_to_its_end() -> None:
    for text in ("abc\n" * 150_000 + "d", "abé\n" * 150_000 + "d"):
        counter = count_characters(text)
        vocabulary = counter.make_vocabulary()
        assert vocabulary.characters == tuple(sorted(set(text)))
        assert set(counter.counts_of(vocabulary)) == {150_000, 1}


def test_rare_characters_become_one_unknown_symbol() -> None:
    text = "aaabbbcd🙂"
    counter = count_characters(text)
    vocabulary = counter.make_vocabulary(min_count=2)
    assert vocabulary.characters == ("a", "b", UNKNOWN)
    assert counter.counts_of(vocabulary) == (3, 3, 3)
    assert vocabulary.decode(vocabulary.encode(text)) == "aaabbb" + 3 * UNKNOWN
    assert vocabulary.decode(vocabulary.encode("zürich a")) == 7 * UNKNOWN + "a"
    assert counter.make_vocabulary(min_count=1).characters == tuple("abcd🙂")
    documents = count_characters("aa\x1cbb")
    assert documents.make_vocabulary(min_count=2).characters == ("\x1c", "a", "b")


def test_unusual_facts_about_the_characters_of_a_text_are_described() -> None:
    def describe(text: str, min_count: int = 1) -> str:
        counter = count_characters(text)
        vocabulary = counter.make_vocabulary(min_count)
        return "\n".join(
            describe_unusual_characters(
                CharacterFacts(
                    dict(zip(vocabulary.characters, counter.counts_of(vocabulary), strict=True)),
                    counter.num_distinct,
                    min_count,
                )
            )
        )

    assert describe("plain text\n") == ""
    assert "2 different rare characters (2 of 5 characters of the text)" in describe("aaabc", 2)
    assert "the text contains 2 characters U+FFFD" in describe("a\ufffd\ufffd")
    assert "has 1,500 different characters" in describe("".join(map(chr, range(19968, 21468))))
    assert "the text contains 1 NUL character," in describe("abc\0")
    assert "the text contains 1 character U+FEFF, a byte order mark" in describe("abc\ufeffabc")
    assert "1 rare character (1 of 4 characters of the text) is read as one" in describe("aaab", 2)


@given(TEXTS)
def test_decoding_is_the_inverse_of_encoding(text: str) -> None:
    vocabulary = Vocabulary.from_text(text)
    assert vocabulary.decode(vocabulary.encode(text)) == text
    assert vocabulary.characters == tuple(sorted(set(text)))


@given(TEXTS, TEXTS)
def test_an_extended_vocabulary_keeps_its_codes(text: str, more: str) -> None:
    known = Vocabulary.from_text(text)
    extended = known.extended(more)
    assert np.array_equal(extended.encode(text), known.encode(text))
    assert extended.decode(extended.encode(more)) == more


@given(TEXTS, TEXTS)
def test_unknown_characters_are_named_or_skipped(text: str, more: str) -> None:
    vocabulary = Vocabulary.from_text(text)
    unknown = tuple(dict.fromkeys(character for character in more if character not in text))
    skipped = vocabulary.decode(vocabulary.encode(more, "skip"))
    assert skipped == "".join(character for character in more if character in text)
    if unknown:
        with pytest.raises(VocabularyError) as caught:
            vocabulary.encode(more)
        assert caught.value.characters == unknown


def test_codes_have_the_smallest_sufficient_integer_type() -> None:
    assert Vocabulary.from_text("ab").encode("ab").dtype == np.uint8
    assert Vocabulary(map(chr, range(300))).encode("ab").dtype == np.uint16


@pytest.mark.parametrize("characters", [[], ["ab"], [""], ["a", "a"]])
def test_a_vocabulary_must_consist_of_distinct_single_characters(characters: list[str]) -> None:
    with pytest.raises(VocabularyError):
        Vocabulary(characters)


def test_rows_of_codes_are_decoded_together() -> None:
    vocabulary = Vocabulary("\0a\ud800\U0001f600\n")
    codes_BK = np.array([[0, 1, 2], [3, 4, 0]])
    expected = [vocabulary.decode(codes_K) for codes_K in codes_BK]
    assert vocabulary.decode_rows(codes_BK) == expected
    assert vocabulary.decode_rows(codes_BK.T.copy().T) == expected
    assert vocabulary.decode_rows(codes_BK[:, :0]) == ["", ""]
