import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.data.corpus import Corpus
from charrnn.sampling import novelty as module
from charrnn.sampling.novelty import (
    MIN_COPIED_RUN,
    NextCharacters,
    Novelty,
    find_copied_windows,
    measure_novelty,
)

bodies = st.text(st.sampled_from("ab"), min_size=1, max_size=60)
texts = st.text(st.sampled_from("abcé\n"), max_size=40)


@given(bodies, texts, st.integers(1, 12))
def test_copied_windows_are_those_that_occur_in_the_corpus(
    body: str, text: str, length: int
) -> None:
    corpus = Corpus.from_text(body)
    windows = [text[start : start + length] for start in range(len(text) - length + 1)]
    result = find_copied_windows(module._encode(text, corpus), corpus.codes, length)
    assert result.tolist() == [window in body for window in windows]


@given(bodies, st.text(st.sampled_from("abc"), max_size=40))
def test_longest_run_equals_brute_force_search(body: str, text: str) -> None:
    result = measure_novelty(text, Corpus.from_text(body))
    runs = [text[i:j] for i in range(len(text)) for j in range(i + 1, len(text) + 1)]
    assert result.longest == max((len(run) for run in runs if run in body), default=0)
    assert result.passage in body
    assert result.passage in text
    assert len(result.passage) == result.longest


def test_share_counts_characters_inside_long_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(1)
    body = "".join(generator.choice(list("abcdefgh"), 4000))
    monkeypatch.setattr(module, "_CORPUS_CHUNK", 100)  # copied runs cross the borders of chunks
    copied, short = body[777 : 777 + MIN_COPIED_RUN + 15], body[2000 : 2000 + MIN_COPIED_RUN - 1]
    text = "X" * 20 + copied + "Y" * 30 + short + "Z" * 5
    result = measure_novelty(text, Corpus.from_text(body))
    assert result == Novelty(len(copied), copied, len(copied) / len(text))


def test_nothing_is_copied_in_an_empty_text() -> None:
    assert measure_novelty("", Corpus.from_text("abc")) == Novelty(0, "", 0.0)


def test_hash_collisions_do_not_count_as_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    equal_hashes = lambda codes, length: np.zeros(max(0, len(codes) - length + 1), np.uint64)  # noqa: E731
    monkeypatch.setattr(module, "_hash_windows", equal_hashes)
    corpus = Corpus.from_text("abab")
    assert find_copied_windows(module._encode("bb", corpus), corpus.codes, 2).tolist() == [False]


@given(bodies, st.text(st.sampled_from("ab"), min_size=1, max_size=4))
def test_next_characters_equal_brute_force_search(body: str, passage: str) -> None:
    length = len(passage)
    expected = {
        body[start + length]
        for start in range(len(body) - length)
        if body[start : start + length] == passage
    }
    assert NextCharacters(Corpus.from_text(body), length).after(passage) == expected
