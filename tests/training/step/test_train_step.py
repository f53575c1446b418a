import dataclasses

import pytest
import torch
from torch.nn.functional import cross_entropy

from charrnn.data.vocabulary import Vocabulary
from charrnn.model.network import CharRNN
from charrnn.training.step.inputs import StepInputs
from charrnn.training.step.train_step import TrainStep
from tests.conftest import TINY_MODEL, UNREGULARIZED


@pytest.mark.parametrize("temperature", [0.5, 1.0])
def test_the_training_loss_uses_the_loss_temperature(temperature: float) -> None:
    config = dataclasses.replace(UNREGULARIZED, batch_size=4, loss_temperature=temperature)
    model = CharRNN(TINY_MODEL, Vocabulary("abcde")).initialize(1)
    window_TB = torch.arange(36).reshape(9, 4) % 5
    logits_TBV, _ = model(window_TB[:-1], model.initial_state(4))
    sharpened_NV = torch.log_softmax(logits_TBV.flatten(0, 1), 1) / temperature
    expected = cross_entropy(sharpened_NV, window_TB[1:].flatten())
    step = TrainStep(model, config, slice(0, 4))
    inputs = StepInputs(window_TB, {}, 0.0, 0.0, window_TB[1:].numel())
    loss, norm = step(lambda: inputs, lambda loss: loss)
    assert loss.item() == pytest.approx(expected.item(), abs=1e-6)
    gradients = torch.autograd.grad(expected, list(model.parameters()))
    assert norm.item() == pytest.approx(torch.cat([g.flatten() for g in gradients]).norm().item())
