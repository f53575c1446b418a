"""Generated documents: they start at the start of a document and end at its end."""

import numpy as np
import pytest

from charrnn.analysis.scoring import character_nats, engine_nats
from charrnn.config.model import ModelConfig
from charrnn.config.sampling import SampleConfig
from charrnn.data.vocabulary import Vocabulary
from charrnn.model.network import CharRNN
from charrnn.sampling.engines.eager import EagerEngine
from charrnn.sampling.engines.int8.engine import Int8Engine
from charrnn.sampling.engines.interface import SamplingEngine
from charrnn.sampling.engines.packed import PackedEngine
from charrnn.sampling.loop import generate, generate_scored

VOCABULARY = Vocabulary("|abcdef")


def make_model(separator: str | None) -> CharRNN:
    shape = ModelConfig(num_layers=2, hidden_size=16)
    return CharRNN(shape, VOCABULARY, "c", separator).initialize(3)


def make_engines(model: CharRNN) -> list[SamplingEngine]:
    int8 = Int8Engine(
        model.arrays(), model.config, VOCABULARY, "c", separator_code=model.separator_code
    )
    return [EagerEngine(model), PackedEngine(model, "float32"), int8]


@pytest.mark.parametrize("number", range(3))
def test_a_document_is_what_a_stream_has_after_a_separator(number: int) -> None:
    """The separator itself is not part of the text, nor is what follows it."""
    documents, stream = (
        make_engines(make_model("|"))[number],
        make_engines(make_model(None))[number],
    )
    assert documents.separator_code == 0
    for prompt in ("", "ab"):
        texts = generate(documents, prompt, length=40, num_samples=6, seed=2, temperature=1.0)
        longer = generate(stream, f"|{prompt}", length=40, num_samples=6, seed=2, temperature=1.0)
        assert texts == [text.partition("|")[0] for text in longer]
        assert any(len(text) < 40 for text in texts)
    (alone,) = generate(documents, length=40, seed=2, temperature=1.0)
    assert alone == generate(documents, length=40, num_samples=6, seed=2, temperature=1.0)[0]


def test_a_stop_text_ends_a_document_earlier() -> None:
    engine = EagerEngine(make_model("|"))
    texts = generate(engine, length=40, num_samples=20, seed=2, temperature=1.0)
    stopped = generate(engine, length=40, num_samples=20, seed=2, temperature=1.0, stop="ab")
    assert stopped == [text.partition("ab")[0] for text in texts]
    # What may be the start of the stop text is not lost at the end of a document.
    assert any(text.endswith("a") and len(text) < 40 for text in stopped)


def test_the_probability_of_a_document_includes_its_end() -> None:
    model = make_model("|")
    config = SampleConfig(length=60, num_samples=9, seed=1, temperature=1.0)
    whole = [
        text for text in generate_scored(EagerEngine(model), "", config) if 1 < len(text.text) < 60
    ]
    assert whole
    for text in whole:
        nats_N = character_nats(model, VOCABULARY.encode(text.text))
        assert text.log_probability == pytest.approx(-nats_N.sum(dtype=np.float64), rel=1e-4)


def test_the_logits_of_an_engine_are_those_of_a_document() -> None:
    model, codes = make_model("|"), VOCABULARY.encode("abcabc")
    nats_N = engine_nats(EagerEngine(model), codes)
    np.testing.assert_allclose(nats_N, character_nats(model, codes)[1:-1], rtol=1e-4)


def test_only_some_characters_still_allow_the_end() -> None:
    texts = generate(make_model("|"), length=40, num_samples=20, seed=2, only="ab")
    assert set("".join(texts)) == {"a", "b"}
    assert any(len(text) < 40 for text in texts)
