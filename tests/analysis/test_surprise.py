"""Tests of the loss of each character and of surprising lines."""

import math

import numpy as np
import pytest
import torch

from charrnn.analysis.scoring import character_nats
from charrnn.analysis.surprise import find_surprising_lines, predict_text
from charrnn.config.model import ModelConfig
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import CorpusError
from charrnn.model.network import CharRNN


@pytest.fixture
def model() -> CharRNN:
    config = ModelConfig(num_layers=2, hidden_size=8)
    return CharRNN(config, Vocabulary(tuple("\nabcdef"))).initialize(2).eval()


def test_predictions_are_the_most_likely_characters_and_the_loss_of_score(
    model: CharRNN,
) -> None:
    codes = np.random.default_rng(1).integers(0, 7, 5000).astype(np.uint8)
    predictions = predict_text(model, codes, count=3)
    np.testing.assert_allclose(predictions.nats_N, character_nats(model, codes), atol=1e-5)
    x_T1 = torch.from_numpy(codes[:-1].astype(np.int64))[:, None]
    with torch.no_grad():
        p_TV = model(x_T1, model.initial_state(1))[0][:, 0].softmax(-1).numpy()
    np.testing.assert_allclose(
        predictions.probabilities_NK, -np.sort(-p_TV, axis=1)[:, :3], rtol=1e-3, atol=1e-6
    )
    chosen = np.take_along_axis(p_TV, predictions.codes_NK, axis=1)
    np.testing.assert_allclose(predictions.probabilities_NK, chosen, rtol=1e-3, atol=1e-6)


def test_predictions_have_at_most_the_whole_vocabulary(model: CharRNN) -> None:
    assert predict_text(model, np.zeros(3, np.uint8), count=50).codes_NK.shape == (2, 7)


@pytest.mark.parametrize("length", [0, 1])
def test_text_too_short_to_predict_is_an_error(model: CharRNN, length: int) -> None:
    with pytest.raises(CorpusError, match="at least 2 are needed"):
        predict_text(model, np.zeros(length, np.uint8))


def test_surprise_of_a_line_is_the_mean_of_its_characters_and_line_break() -> None:
    text = "0123456789\nshort\nabcdefghij\n0123456789\n"
    nats = np.zeros(len(text) - 1, np.float32)
    nats[:10] = math.log(2)  # the first line except its first character
    nats[16:27] = 3 * math.log(2)
    nats[27:38] = 2 * math.log(2)
    lines = find_surprising_lines(text, nats)
    assert [(line.number, line.text, line.times) for line in lines] == [
        (3, "abcdefghij", 1),
        (4, "0123456789", 2),
    ]
    assert [line.bits_per_char for line in lines] == pytest.approx([3, 2])
    assert len(find_surprising_lines(text, nats, count=1)) == 1


def test_each_document_is_predicted_from_its_start(model: CharRNN) -> None:
    text = "\nabc\n\nfed\nab\n"
    streamed = predict_text(model, model.vocabulary.encode(text))
    model.separator_code = 0
    predictions = predict_text(model, model.vocabulary.encode(text))
    for document in ("abc", "fed", "ab"):
        nats_N = character_nats(model, model.vocabulary.encode(document))
        first = text.index(f"{document}\n") - 1  # the first character of the text has no loss
        part = slice(first, first + len(document) + 1)
        np.testing.assert_allclose(predictions.nats_N[part], nats_N, rtol=1e-4)
        assert (predictions.probabilities_NK[part, 0] > 0).all()
    assert predictions.nats_N[text.index("\n\n")] == 0  # no document ends here
    assert not np.allclose(streamed.nats_N, predictions.nats_N, atol=1e-3)
