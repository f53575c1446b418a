import pytest
import torch
from torch import Tensor

from charrnn.config.model import ModelConfig
from charrnn.data.vocabulary import Vocabulary
from charrnn.model.network import CharRNN
from charrnn.recurrence.cpu import layer_threads
from charrnn.recurrence.layer import LayerState, LayerWeights


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> CharRNN:
    monkeypatch.setattr(layer_threads, "_CHUNK", 8)
    model = CharRNN(ModelConfig(num_layers=3, hidden_size=16), Vocabulary("abc")).initialize(1)
    return model.requires_grad_(False)


@torch.no_grad()
def test_layers_in_threads_give_the_same_outputs_and_state(model: CharRNN) -> None:
    x_TB = torch.arange(45)[:, None] % 3
    state = model(x_TB, model.initial_state(1))[1]
    expected, expected_state = model(x_TB, state)
    torch.set_num_threads(2)
    layers = [model.layer_weights(layer) for layer in range(3)]
    assert layer_threads.is_preferred(x_TB, layers)
    logits, last = model(x_TB, state)
    assert torch.get_num_threads() == 2
    torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-6)
    for part, expected_part in zip(last.parts_LBH, expected_state.parts_LBH, strict=True):
        torch.testing.assert_close(part, expected_part, rtol=1e-5, atol=1e-6)
    assert torch.equal(model(x_TB, state)[0], logits)


def test_gradients_and_short_texts_use_the_usual_engines(model: CharRNN) -> None:
    torch.set_num_threads(2)
    layers = [model.layer_weights(layer) for layer in range(3)]
    x_TB = torch.zeros(45, 1, dtype=torch.long)
    assert not layer_threads.is_preferred(x_TB, layers)
    with torch.no_grad():
        assert not layer_threads.is_preferred(x_TB[:20], layers)
        assert not layer_threads.is_preferred(x_TB.expand(-1, 2), layers)


@torch.no_grad()
def test_an_error_in_a_layer_is_raised(model: CharRNN) -> None:
    def fail(inputs: Tensor, state: LayerState, _: LayerWeights) -> tuple[Tensor, LayerState]:
        if inputs.is_floating_point():
            raise ValueError("second layer")
        return torch.zeros(len(inputs), 1, 16), state

    layers = [model.layer_weights(layer) for layer in range(3)]
    x_TB = torch.zeros(45, 1, dtype=torch.long)
    with pytest.raises(ValueError, match="second layer"):
        layer_threads.run_layers(fail, x_TB, model.initial_state(1).parts_LBH, layers)
