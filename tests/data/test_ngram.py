from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.data.corpus import Corpus
from charrnn.data.ngram import ORDER, baseline_nats

TINYSHAKESPEARE = Path(__file__).parents[3] / "shared/corpora/tinyshakespeare.txt"


def reference_probability(training: str, context: str, character: str, size: int) -> float:
    """Return the probability of a character by the definition (Witten and Bell, method C)."""
    if len(context) > ORDER - 1:
        context = context[-(ORDER - 1) :]
    shorter = reference_probability(training, context[1:], character, size) if context else 1 / size
    width = len(context)
    followers = Counter(
        training[start + width]
        for start in range(len(training) - width)
        if training[start : start + width] == context
    )
    if not followers:
        return shorter
    return (followers[character] + len(followers) * shorter) / (followers.total() + len(followers))


@given(st.text("abc", min_size=1, max_size=40), st.text("abcd", min_size=2, max_size=12))
def test_the_loss_is_that_of_the_definition(training: str, held_out: str) -> None:
    expected = [
        -np.log(reference_probability(training, held_out[:position], held_out[position], 4))
        for position in range(1, len(held_out))
    ]
    training_codes, held_out_codes = (
        np.array(["abcd".index(character) for character in text], np.uint8)
        for text in (training, held_out)
    )
    assert baseline_nats(training_codes, held_out_codes, 4) == pytest.approx(np.mean(expected))


@given(
    st.lists(st.text("abc", max_size=5), min_size=1, max_size=8),
    st.lists(st.text("abcd", max_size=6), min_size=1, max_size=4).filter(any),
)
def test_no_context_is_in_several_documents(training: list[str], held_out: list[str]) -> None:
    """The reference counts in each document by itself, with as many starts as a context needs."""
    texts = [f"|{document}|" for document in training if document]

    def probability(context: str, character: str) -> float:
        shorter = probability(context[1:], character) if context else 1 / 5
        width = len(context)
        followers = Counter(
            text[start + width]
            for text in texts
            for start in range(0 if context else 1, len(text) - width)
            if text[start : start + width] == context
        )
        if not context:  # the separators before and between documents
            followers["|"] += 1
        if not followers:
            return shorter
        numerator = followers[character] + len(followers) * shorter
        return numerator / (followers.total() + len(followers))

    expected = [
        -np.log(probability(text[max(0, position - ORDER + 1) : position], text[position]))
        for text in (f"|{document}|" for document in held_out if document)
        for position in range(1, len(text))
    ]
    training_codes, held_out_codes = (
        np.array(["|abcd".index(character) for character in "|".join(documents)], np.uint8)
        for documents in (training, held_out)
    )
    assert baseline_nats(training_codes, held_out_codes, 5, 0) == pytest.approx(np.mean(expected))


def test_only_the_end_of_a_long_text_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    text = np.random.default_rng(1).integers(0, 9, 1000).astype(np.uint8)
    expected = baseline_nats(text[-300:], text[:50], 9)
    monkeypatch.setattr("charrnn.data.ngram._MAX_TRAINING_CHARACTERS", 300)
    assert baseline_nats(text, text[:50], 9) == expected


def test_a_large_vocabulary_works() -> None:
    text = np.arange(30_000, dtype=np.uint16)
    assert baseline_nats(text, text[:100], 30_000) < 0.8


@pytest.mark.skipif(not TINYSHAKESPEARE.exists(), reason="tinyshakespeare is not available")
def test_the_loss_on_tinyshakespeare_is_near_the_published_one() -> None:
    corpus = Corpus.open(TINYSHAKESPEARE)
    training, held_out = corpus.split(0.1)
    nats = baseline_nats(training, held_out, len(corpus.vocabulary))
    assert nats == pytest.approx(1.686, abs=0.02)
