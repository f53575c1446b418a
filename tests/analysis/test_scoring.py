import math
import threading

import numpy as np
import pytest
import torch

from charrnn.analysis import scoring
from charrnn.analysis.scoring import character_nats, held_out_loss, score
from charrnn.config.model import ModelConfig
from charrnn.data.vocabulary import Codes, Vocabulary
from charrnn.errors import ConfigError, CorpusError
from charrnn.model.forward import forward_chunks
from charrnn.model.network import CharRNN
from charrnn.training.events import Finished

VOCABULARY = Vocabulary("abcdefgh")


@pytest.fixture
def model() -> CharRNN:
    return CharRNN(ModelConfig(num_layers=2, hidden_size=8), VOCABULARY).initialize(1)


def random_codes(length: int) -> Codes:
    return np.random.default_rng(1).integers(0, 8, length).astype(np.uint8)


def reference_nats(model: CharRNN, codes: Codes) -> torch.Tensor:
    """Return the losses by definition: the softmax after each character, from the initial state."""
    codes_T = torch.from_numpy(codes.astype(np.int64))
    logits_TBV, _ = model(codes_T[:-1, None], model.initial_state(1))
    log_p_TV = torch.log_softmax(logits_TBV[:, 0], dim=1)
    return -log_p_TV[torch.arange(len(codes) - 1), codes_T[1:]].detach()


def test_score_is_one_pass_that_carries_the_state(
    model: CharRNN, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = random_codes(700)
    expected_N = reference_nats(model, codes).numpy()
    monkeypatch.setattr(scoring, "_CHUNK", 128)
    np.testing.assert_allclose(character_nats(model, codes), expected_N, rtol=1e-5, atol=1e-5)


def test_standard_error_uses_batch_means() -> None:
    draws = np.random.default_rng(1)
    independent = draws.normal(2, 1, 40_000).astype(np.float32)
    assert scoring.standard_error(independent) == pytest.approx(1 / 200, rel=0.3)
    repeated = np.repeat(draws.normal(2, 1, 400).astype(np.float32), 100)
    assert scoring.standard_error(repeated) == pytest.approx(1 / 20, rel=0.3)
    assert scoring.standard_error(independent[:399]) == math.inf


def test_windows_longer_than_a_chunk_are_read_one_by_one(
    model: CharRNN, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = random_codes(100)
    expected = character_nats(model, codes, context=33)
    monkeypatch.setattr(scoring, "_CHUNK", 5)
    np.testing.assert_allclose(character_nats(model, codes, 33), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("length", [101, 100, 96, 7])
def test_windows_are_independent_and_cover_the_text(model: CharRNN, length: int) -> None:
    codes = random_codes(length)
    expected = [
        reference_nats(model, codes[first : first + 9]) for first in range(0, length - 1, 8)
    ]
    np.testing.assert_allclose(
        character_nats(model, codes, context=8), torch.cat(expected), rtol=1e-5, atol=1e-5
    )


def test_a_score_is_the_mean_in_nats_and_bits(model: CharRNN) -> None:
    text = VOCABULARY.decode(random_codes(50))
    result = score(model, text)
    expected = reference_nats(model, VOCABULARY.encode(text)).mean().item()
    assert result.nats_per_char == pytest.approx(expected, rel=1e-5)
    assert result.bits_per_char == pytest.approx(expected / 0.693147, rel=1e-5)
    assert result.characters == 49


def test_a_run_can_be_scored_by_its_name(finished: Finished) -> None:
    assert score("verse", "The wheel goes round").characters == 19


@pytest.mark.parametrize("length", [0, 1])
def test_text_too_short_to_predict_is_an_error(model: CharRNN, length: int) -> None:
    with pytest.raises(CorpusError, match="at least 2 are needed"):
        character_nats(model, random_codes(length))


@pytest.mark.parametrize("context", [0, -1])
def test_a_context_without_characters_is_an_error(model: CharRNN, context: int) -> None:
    with pytest.raises(ConfigError, match=f"context must be 1 or more, not {context}"):
        character_nats(model, random_codes(9), context)


@pytest.mark.parametrize("length", [2, 900, 2500, 5001])
def test_the_periodic_loss_is_close_to_one_carried_pass(model: CharRNN, length: int) -> None:
    codes = random_codes(length)
    loss = held_out_loss(model, codes, threading.Event())
    assert loss == pytest.approx(reference_nats(model, codes).mean().item(), abs=1e-3)


def test_every_character_of_the_periodic_loss_counts_once(
    model: CharRNN, monkeypatch: pytest.MonkeyPatch
) -> None:
    def return_targets(logits_TBV: torch.Tensor, targets_TB: Codes) -> Codes:
        return targets_TB

    monkeypatch.setattr(scoring, "_compute_nats", return_targets)
    monkeypatch.setattr(scoring, "_CHUNK", 640)
    for length in (2, 1999, 2000, 5003, 70_000):
        codes = random_codes(length)
        loss = held_out_loss(model, codes, threading.Event())
        assert loss == pytest.approx(codes[1:].mean(), rel=1e-12)


def test_evaluation_stops_on_request(model: CharRNN) -> None:
    stop = threading.Event()
    stop.set()
    assert held_out_loss(model, random_codes(100), stop) is None


def test_a_long_window_is_read_in_chunks_with_the_same_result(
    model: CharRNN, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = random_codes(1000)
    whole = character_nats(model, codes, context=300)
    lengths = []

    def record(model: CharRNN, codes_TB: Codes, chunk_size: int) -> object:
        lengths.append(chunk_size)
        return forward_chunks(model, codes_TB, chunk_size)

    monkeypatch.setattr(scoring, "forward_chunks", record)
    monkeypatch.setattr(scoring, "_CHUNK", 128)
    np.testing.assert_allclose(character_nats(model, codes, context=300), whole, rtol=1e-5)
    assert set(lengths) == {128}
