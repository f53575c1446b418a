import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.analysis import compiled_adaptation
from charrnn.analysis.clamping import measure_effect
from charrnn.analysis.dynamic_evaluation import _adapt_with_autograd, adapt_copy
from charrnn.analysis.scoring import character_nats
from charrnn.analysis.segments import cut_segments
from charrnn.analysis.surprise import predict_text
from charrnn.config.dynamic_evaluation import AdaptConfig
from charrnn.config.model import ModelConfig
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import ConfigError, CorpusError
from charrnn.model.network import CharRNN

VOCABULARY = Vocabulary("|abc")
TEXT = "|abcab||cab|a|bcabcabcabbb"


def make_model(separator: str | None) -> CharRNN:
    shape = ModelConfig(num_layers=2, hidden_size=32)
    return CharRNN(shape, VOCABULARY, separator=separator).initialize(1)


@given(st.text("|abc", min_size=2, max_size=60), st.integers(1, 9))
def test_segments_predict_each_character_once(text: str, length: int) -> None:
    codes = VOCABULARY.encode(text)
    segments = list(cut_segments(codes, length, None))
    assert np.concatenate([s.codes_T[1:] for s in segments]).tolist() == codes[1:].tolist()
    assert [s.starts_from_initial_state for s in segments] == [True] + [False] * (len(segments) - 1)
    documents = [document for document in text.split("|") if document]
    parts = [VOCABULARY.decode(s.codes_T[1:]) for s in cut_segments(codes, length, 0)]
    assert "".join(parts) == "".join(f"{document}|" for document in documents)
    assert max(map(len, parts), default=0) <= length
    starts = [VOCABULARY.decode(s.codes_T[:1]) for s in cut_segments(codes, length, 0)
              if s.starts_from_initial_state]  # fmt: skip
    assert starts == ["|"] * len(documents)


def test_without_updates_the_losses_are_those_of_the_documents() -> None:
    model, codes = make_model("|"), VOCABULARY.encode(TEXT)
    _, nats_N = adapt_copy(model, codes, AdaptConfig(segment=4, adapt_rate=0.0))
    np.testing.assert_allclose(nats_N, character_nats(model, codes), rtol=0.01)
    streamed_N = character_nats(make_model(None), codes)
    assert abs(streamed_N[:6] - nats_N[:6]).max() < 0.02  # the first document
    assert len(nats_N) == sum(len(document) + 1 for document in TEXT.split("|") if document)


def test_both_engines_adapt_to_documents_equally() -> None:
    codes, config = VOCABULARY.encode(TEXT * 9), AdaptConfig(segment=4, adapt_rate=0.001)
    compiled_N = compiled_adaptation.adapt(make_model("|"), codes, config)
    np.testing.assert_allclose(
        _adapt_with_autograd(make_model("|"), codes, config), compiled_N, atol=0.02
    )
    assert compiled_N[-20:].mean() < compiled_N[:20].mean() - 0.1


@pytest.mark.parametrize("length", range(1, 10))
def test_a_single_document_without_a_separator_can_be_adapted_to(length: int) -> None:
    codes = VOCABULARY.encode("abc"[:1] * length)
    if length == 1:
        codes = VOCABULARY.encode("a|")
    for segment in (4, 20):
        _, nats_N = adapt_copy(make_model("|"), codes, AdaptConfig(segment=segment, adapt_rate=0.0))
        np.testing.assert_allclose(nats_N, character_nats(make_model("|"), codes), rtol=0.01)


def test_a_text_of_separators_is_an_error_for_every_reader() -> None:
    model, codes = make_model("|"), VOCABULARY.encode("|||")
    message = "a text contains only separators of documents"
    for read in (character_nats, adapt_copy, predict_text):
        with pytest.raises(CorpusError, match=message):
            read(model, codes)
    with pytest.raises(CorpusError, match=message):
        measure_effect(model, model, codes)


def test_windows_of_documents_are_an_error() -> None:
    with pytest.raises(ConfigError, match=r"^context cannot be given for a model of documents"):
        character_nats(make_model("|"), VOCABULARY.encode(TEXT), context=4)
