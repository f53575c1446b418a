import pytest
from text_quality import has_loop, list_words, measure_quality

from charrnn.data.corpus import Corpus

TEXT = "The king's men, the men of old, have sung: twelve crows flew over Elsinore by night.\n"


def test_words_have_apostrophes_inside_and_no_case() -> None:
    assert list_words("'Tis the KING'S m\u00e9n--well, x2 'o' ") == [
        *("tis", "the", "king's", "m\u00e9n", "well", "x", "o")
    ]


def test_a_last_word_that_may_be_incomplete_is_left_out() -> None:
    assert list_words("the kin") == ["the"]
    assert list_words("the kin.") == ["the", "kin"]


def test_a_loop_is_found_inside_a_text() -> None:
    loop = "and so the story begins again and again, my lord;\n" * 4
    assert has_loop(TEXT + loop + TEXT)
    assert not has_loop(TEXT + loop[:120] + TEXT)


def test_quality_counts_unknown_and_distinct_words_and_copies() -> None:
    training = Corpus.from_text(TEXT)
    texts = ["the king the crown.", TEXT]
    quality = measure_quality(texts, set(list_words(TEXT)), training)
    assert quality.non_words == pytest.approx((2 / 4 + 0) / 2)  # king, crown
    assert quality.distinct == pytest.approx((3 / 4 + 14 / 16) / 2)
    assert quality.loops == 0
    assert quality.longest_copy == len(TEXT)
    assert quality.copied == pytest.approx(len(TEXT) / (19 + 1 + len(TEXT)))
