import copy
import dataclasses

import pytest
import torch

from charrnn.config.model import ModelConfig
from charrnn.data.vocabulary import Vocabulary
from charrnn.model.network import CharRNN
from charrnn.training.step.optimization import AdamW, update_average
from tests.conftest import UNREGULARIZED


def test_averaged_weights_move_by_one_minus_the_decay() -> None:
    shape, vocabulary = ModelConfig(num_layers=1, hidden_size=4), Vocabulary("ab")
    average, model = CharRNN(shape, vocabulary), CharRNN(shape, vocabulary).initialize(1)
    torch.nn.init.zeros_(average.output.weight)
    update_average(average, model, 0.9)
    torch.testing.assert_close(average.output.weight, 0.9 * model.output.weight)


def test_only_matrices_have_weight_decay() -> None:
    model = CharRNN(ModelConfig(num_layers=2, hidden_size=4), Vocabulary("ab")).initialize(1)
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    for parameter in model.parameters():
        parameter.data += 1.0
        parameter.grad = torch.zeros_like(parameter)
    AdamW(model, dataclasses.replace(UNREGULARIZED, weight_decay=0.5)).step(0.1)
    for name, parameter in model.named_parameters():
        share = 0.95 if parameter.dim() > 1 else 1.0
        torch.testing.assert_close(parameter, share * (before[name] + 1.0))


@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
def test_the_steps_equal_those_of_the_optimizer_of_torch(weight_decay: float) -> None:
    model = CharRNN(ModelConfig(num_layers=2, hidden_size=4), Vocabulary("ab")).initialize(1)
    expected = copy.deepcopy(model)
    optimizer = AdamW(model, dataclasses.replace(UNREGULARIZED, weight_decay=weight_decay))
    parameters = list(expected.parameters())
    groups = [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.dim() == 1], "weight_decay": 0.0},
    ]
    torch_optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.99), fused=True)
    for learning_rate in (0.1, 0.05, 0.02):
        for parameter, other in zip(model.parameters(), parameters, strict=True):
            parameter.grad = torch.randn_like(parameter)
            other.grad = parameter.grad.clone()
        optimizer.step(learning_rate)
        for group in torch_optimizer.param_groups:
            group["lr"] = learning_rate
        torch_optimizer.step()
    for parameter, other in zip(model.parameters(), parameters, strict=True):
        torch.testing.assert_close(parameter, other, rtol=0, atol=0)
