from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.data.corpus import Corpus
from charrnn.data.ngram import ORDER, baseline_nats

YARDSTICK = Path(__file__).parents[3] / "shared/corpora/tinyshakespeare.txt"


def by_counting(training: str, context: str, character: str, size: int) -> float:
    """The definition (Witten and Bell, method C), counting with Python's strings."""
    if len(context) > ORDER - 1:
        context = context[-(ORDER - 1) :]
    shorter = by_counting(training, context[1:], character, size) if context else 1 / size
    width = len(context)
    after = Counter(
        training[place + width]
        for place in range(len(training) - width)
        if training[place : place + width] == context
    )
    if not after:
        return shorter
    return (after[character] + len(after) * shorter) / (after.total() + len(after))


@given(st.text("abc", min_size=1, max_size=40), st.text("abcd", min_size=2, max_size=12))
def test_probabilities_are_those_of_the_definition(training: str, held_out: str) -> None:
    expected = [
        -np.log(by_counting(training, held_out[:place], held_out[place], 4))
        for place in range(1, len(held_out))
    ]
    learnt, asked = (
        np.array(["abcd".index(each) for each in text], np.uint8) for text in (training, held_out)
    )
    assert baseline_nats(learnt, asked, 4) == pytest.approx(np.mean(expected))


def test_only_the_end_of_a_long_text_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    text = np.random.default_rng(1).integers(0, 9, 1000).astype(np.uint8)
    expected = baseline_nats(text[-300:], text[:50], 9)
    monkeypatch.setattr("charrnn.data.ngram._MAX_TRAINING_CHARACTERS", 300)
    assert baseline_nats(text, text[:50], 9) == expected


def test_a_large_vocabulary_is_no_harder() -> None:
    text = np.arange(30_000, dtype=np.uint16)
    assert baseline_nats(text, text[:100], 30_000) < 0.8


@pytest.mark.skipif(not YARDSTICK.exists(), reason="the yardstick text is not there")
def test_the_yardstick_is_near_what_others_found() -> None:
    corpus = Corpus.open(YARDSTICK)
    training, held_out = corpus.split(0.1)
    nats = baseline_nats(training, held_out, len(corpus.vocabulary))
    assert nats == pytest.approx(1.686, abs=0.02)
