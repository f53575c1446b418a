import dataclasses

import torch

from charrnn.config.model import ModelConfig
from charrnn.data.vocabulary import Vocabulary
from charrnn.model.network import CharRNN
from charrnn.training.step.optimization import make_optimizer, update_average
from tests.conftest import UNREGULARIZED


def test_averaged_weights_move_by_one_minus_the_decay() -> None:
    shape, vocabulary = ModelConfig(num_layers=1, hidden_size=4), Vocabulary("ab")
    average, model = CharRNN(shape, vocabulary), CharRNN(shape, vocabulary).initialize(1)
    torch.nn.init.zeros_(average.output.weight)
    update_average(average, model, 0.9)
    torch.testing.assert_close(average.output.weight, 0.9 * model.output.weight)


def test_only_matrices_have_weight_decay() -> None:
    model = CharRNN(ModelConfig(num_layers=2, hidden_size=4), Vocabulary("ab"))
    config = dataclasses.replace(UNREGULARIZED, weight_decay=0.5)
    matrices, biases = make_optimizer(model, config).param_groups
    assert {parameter.dim() for parameter in matrices["params"]} == {2}
    assert matrices["weight_decay"] == 0.5
    assert {parameter.dim() for parameter in biases["params"]} == {1}
    assert biases["weight_decay"] == 0
    assert len(matrices["params"]) + len(biases["params"]) == len(list(model.parameters()))
