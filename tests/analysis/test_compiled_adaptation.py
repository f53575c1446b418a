import copy

import numpy as np
import pytest
import torch

from charrnn.analysis import compiled_adaptation, dynamic_evaluation
from charrnn.analysis.compiled_adaptation import CompiledAdaptation
from charrnn.config.dynamic_evaluation import AdaptConfig
from charrnn.config.model import ModelConfig
from charrnn.data.vocabulary import Codes, Vocabulary
from charrnn.model.network import CharRNN
from charrnn.training.gradient_measurement import measure_gradient_squares

CODES: Codes = np.random.default_rng(0).integers(0, 7, 60).astype(np.uint8)


def make_model(layers: int, units: int) -> CharRNN:
    config = ModelConfig(num_layers=layers, hidden_size=units)
    return CharRNN(config, Vocabulary("abcdefg")).initialize(1)


def weights(model: CharRNN) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


# The recurrent products use bfloat16 weights, whose relative error is up to 2**-9.
@pytest.mark.parametrize("has_squares", [False, True])
@pytest.mark.parametrize(("layers", "units", "segment"), [(2, 8, 5), (1, 7, 20), (3, 37, 6)])
def test_losses_and_weights_are_those_of_autograd(
    layers: int, units: int, segment: int, has_squares: bool
) -> None:
    model = make_model(layers, units)
    if has_squares:
        model.gradient_squares = measure_gradient_squares(model, CODES)
    config = AdaptConfig(segment=segment, adapt_rate=1e-3, pull_back=0.1, prior_updates=3)
    expected_model = copy.deepcopy(model)
    expected = dynamic_evaluation._adapt_with_autograd(expected_model, CODES, config)
    adapted = copy.deepcopy(model)
    nats = compiled_adaptation.adapt(adapted, CODES, config)
    np.testing.assert_allclose(nats, expected, atol=2e-3)
    change = weights(expected_model) - weights(model)
    error = weights(adapted) - weights(expected_model)
    assert error.norm() < 0.02 * change.norm()


def test_a_second_thread_does_not_change_the_result() -> None:
    model, config = make_model(2, 24), AdaptConfig(segment=20)
    results = []
    for use_helper in (False, True, True):
        adaptation = CompiledAdaptation(model, 20, config, use_helper)
        losses = [adaptation.learn(CODES[first : first + 21]) for first in (0, 20, 39) * 20]
        adapted = copy.deepcopy(model)
        adaptation.copy_weights_to(adapted)
        results.append((np.concatenate(losses), weights(adapted)))
    for nats, adapted_weights in results[1:]:
        np.testing.assert_array_equal(nats, results[0][0])
        assert torch.equal(adapted_weights, results[0][1])


def test_one_thread_leaves_the_memory_of_the_other_unchanged() -> None:
    adaptation = CompiledAdaptation(make_model(2, 24), 20, AdaptConfig(), use_helper=False)
    for first in (0, 20, 39):
        adaptation.learn(CODES[first : first + 21])
    for of_helper in (
        adaptation._arrays.parts[1],
        adaptation._arrays.gradients[1],
        adaptation._arrays.grams[1],
    ):
        assert not of_helper.any()
    assert adaptation._arrays.parts[0].any()
    assert adaptation._arrays.parts[2].any()


def test_only_float32_lstms_on_a_cpu_are_compiled() -> None:
    assert make_model(1, 8).is_lstm_on_cpu
    gru = CharRNN(ModelConfig(cell="gru", num_layers=1, hidden_size=8), Vocabulary("ab"))
    assert not gru.is_lstm_on_cpu
    assert not make_model(1, 8).double().is_lstm_on_cpu
    nats = dynamic_evaluation.adapt_copy(gru.initialize(1), CODES % 2)[1]
    assert len(nats) == len(CODES) - 1
