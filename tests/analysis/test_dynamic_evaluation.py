import numpy as np
import pytest
import torch

from charrnn.analysis import compiled_adaptation
from charrnn.analysis.dynamic_evaluation import adapt_copy
from charrnn.analysis.scoring import character_nats, score
from charrnn.config.dynamic_evaluation import AdaptConfig
from charrnn.config.model import ModelConfig
from charrnn.data.vocabulary import Codes, Vocabulary
from charrnn.errors import ConfigError
from charrnn.model.gradient_squares import GradientSquares
from charrnn.model.network import CharRNN

VOCABULARY = Vocabulary("abcdefgh")
STRONG = AdaptConfig(segment=5, adapt_rate=5e-3, pull_back=0.01)


@pytest.fixture
def model() -> CharRNN:
    return CharRNN(ModelConfig(num_layers=2, hidden_size=8), VOCABULARY).initialize(1)


def repeated_codes(length: int) -> Codes:
    return (np.arange(length) % 3).astype(np.uint8)


def squares_of(model: CharRNN, mean: float, output_rows: float) -> GradientSquares:
    means = {
        name: tuple(np.full(size, mean, np.float32) for size in parameter.shape)
        for name, parameter in model.named_parameters()
    }
    rows, columns = means["output.weight"]
    means["output.weight"] = (np.r_[output_rows, rows[1:]].astype(np.float32), columns)
    return GradientSquares(means)


def test_adaptation_learns_a_regular_text(model: CharRNN) -> None:
    codes = repeated_codes(600)
    static = character_nats(model, codes)
    adapted = character_nats(model, codes, adapt=STRONG)
    assert len(adapted) == len(static) == 599
    assert adapted[-100:].mean() < 0.5 * static[-100:].mean()


def test_each_segment_is_predicted_before_it_is_learned(model: CharRNN) -> None:
    codes = repeated_codes(60)
    changed = codes.copy()
    changed[41] = 7  # the first character that segment 41 to 45 predicts
    before, after = (adapt_copy(model, text, STRONG)[1] for text in (codes, changed))
    np.testing.assert_array_equal(before[:40], after[:40])
    assert before[40] != after[40]
    np.testing.assert_allclose(before[:5], character_nats(model, codes)[:5], rtol=1e-3)


@pytest.mark.parametrize("position", [1, 37, 40, 41, 59])
def test_no_target_leaks_into_its_prediction(model: CharRNN, position: int) -> None:
    # If the text after a position affected its prediction, the probabilities of all characters
    # that may be there would not add up to one.
    draws = np.random.default_rng(position)
    codes = draws.integers(0, len(VOCABULARY), 60).astype(np.uint8)
    model.gradient_squares = squares_of(model, 1e-4, 1e-3)
    total = 0.0
    for code in range(len(VOCABULARY)):
        codes[position] = code
        codes[position + 1 :] = draws.integers(0, len(VOCABULARY), 59 - position)
        total += np.exp(-np.float64(adapt_copy(model, codes, STRONG)[1][position - 1]))
    assert total == pytest.approx(1, abs=2e-5)


def test_adaptation_does_not_change_the_original_model(model: CharRNN) -> None:
    original = {name: parameter.clone() for name, parameter in model.named_parameters()}
    adapted, _ = adapt_copy(model, repeated_codes(60), STRONG)
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, original[name])
        assert parameter.requires_grad
    assert not torch.equal(adapted.output.weight, model.output.weight)
    assert not any(parameter.requires_grad for parameter in adapted.parameters())


def test_rate_zero_learns_nothing(model: CharRNN) -> None:
    codes = repeated_codes(100)
    zero_rate = AdaptConfig(adapt_rate=0.0)
    np.testing.assert_allclose(
        character_nats(model, codes, adapt=zero_rate), character_nats(model, codes), rtol=1e-3
    )


def test_pull_back_keeps_weights_near_the_trained_ones(model: CharRNN) -> None:
    codes = repeated_codes(161)  # eight updates, so the last one pulls back
    pulled_back, _ = adapt_copy(model, codes, AdaptConfig(adapt_rate=1e-3, pull_back=1.0))
    free, _ = adapt_copy(model, codes, AdaptConfig(adapt_rate=1e-3, pull_back=0.0))
    distances = [
        (adapted.output.weight - model.output.weight).norm() for adapted in (pulled_back, free)
    ]
    assert 0 < distances[0] < 0.2 * distances[1]


def test_pull_back_of_four_updates_is_applied_at_once() -> None:
    config = AdaptConfig(pull_back=0.1)
    fractions = [config.pull_back_at(update) for update in range(1, 9)]
    assert fractions == [0, 0, 0, pytest.approx(1 - 0.9**4)] * 2


def test_large_gradients_in_training_make_updates_smaller(model: CharRNN) -> None:
    changes = []
    for mean in (1e-4, 1.0):
        model.gradient_squares = squares_of(model, mean, mean)
        adapted, _ = adapt_copy(model, repeated_codes(21), AdaptConfig(pull_back=0.0))
        changes.append((adapted.output.weight - model.output.weight).norm().item())
    assert changes[1] == pytest.approx(changes[0] / 100, rel=0.2)


def test_a_row_with_large_gradients_in_training_is_pulled_back_more(model: CharRNN) -> None:
    config = AdaptConfig(adapt_rate=1e-3, pull_back=0.2, prior_updates=0)
    model.gradient_squares = squares_of(model, 1e-4, 1.0)
    pulled_back, _ = adapt_copy(model, repeated_codes(161), config)
    model.gradient_squares = squares_of(model, 1e-4, 1e-4)
    equally, _ = adapt_copy(model, repeated_codes(161), config)
    distances = [
        (adapted.output.weight - model.output.weight).norm(dim=1)
        for adapted in (pulled_back, equally)
    ]
    assert distances[0][0] < 0.7 * distances[1][0]
    assert (distances[0][1:] > distances[1][1:]).all()


def test_a_long_segment_is_learned_without_the_compiled_functions(
    model: CharRNN, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = adapt_copy(model, repeated_codes(60), AdaptConfig(segment=30))[1]
    monkeypatch.setattr(compiled_adaptation, "MAX_SEGMENT", 29)
    monkeypatch.setattr(compiled_adaptation, "adapt", None)
    nats = adapt_copy(model, repeated_codes(60), AdaptConfig(segment=30))[1]
    np.testing.assert_allclose(nats, expected, atol=2e-3)


def test_context_and_adapt_cannot_be_combined(model: CharRNN) -> None:
    with pytest.raises(ConfigError, match="cannot be combined"):
        score(model, "abc" * 10, context=5, adapt=AdaptConfig())
