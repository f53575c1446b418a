from dataclasses import replace

import numpy as np
import pytest
import torch

from charrnn.config.model import Cell, ModelConfig
from charrnn.errors import CheckpointError
from charrnn.model.dropout import Masks
from charrnn.model.network import CharRNN
from charrnn.model.state import State
from tests.model.small_model import CELLS, SHAPE, VOCABULARY, random_codes, small_model


@pytest.mark.parametrize("cell", CELLS)
def test_weights_in_torch_modules_give_the_same_logits(cell: Cell) -> None:
    model = small_model(cell)
    kind = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}[cell]
    torch_module = kind(len(VOCABULARY), 16, 3)
    weights = {key: value for key, value in model.state_dict().items() if "_l" in key}
    torch_module.load_state_dict(weights)
    x_TB = random_codes()
    outputs_TBH, _ = torch_module(torch.nn.functional.one_hot(x_TB, len(VOCABULARY)).float())
    logits_TBV, _ = model(x_TB, model.initial_state(4))
    torch.testing.assert_close(logits_TBV, model.output(outputs_TBH), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_carried_state_equals_one_long_pass(cell: Cell) -> None:
    model, x_TB = small_model(cell), random_codes()
    whole_TBV, end = model(x_TB, model.initial_state(4))
    first_TBV, middle = model(x_TB[:5], model.initial_state(4))
    second_TBV, carried_end = model(x_TB[5:], middle.detach())
    torch.testing.assert_close(torch.cat([first_TBV, second_TBV]), whole_TBV)
    for carried, direct in zip(carried_end.parts_LBH, end.parts_LBH, strict=True):
        torch.testing.assert_close(carried, direct)


@pytest.mark.parametrize("cell", CELLS)
def test_logits_depend_on_no_later_character_and_on_no_other_stream(cell: Cell) -> None:
    model = small_model(cell)
    model.initial_state(2)
    one_hot_TBV = torch.nn.functional.one_hot(random_codes(6, 2), len(VOCABULARY)).float()
    one_hot_TBV.requires_grad_()
    logits_TBV, _ = model(one_hot_TBV, model.initial_state(2))
    (gradient_TBV,) = torch.autograd.grad(logits_TBV[3, 0].sum(), one_hot_TBV)
    reached_TB = gradient_TBV.abs().sum(dim=2) > 0
    expected_TB = torch.zeros(6, 2, dtype=torch.bool)
    expected_TB[:4, 0] = True
    assert torch.equal(reached_TB, expected_TB)


def logits_with(**masks: torch.Tensor) -> torch.Tensor:
    model, x_TB = small_model(), random_codes()
    state = State(tuple(part + 0.5 for part in model.initial_state(4).parts_LBH))
    logits_TBV: torch.Tensor = model(x_TB, state, Masks(**masks))[0]
    return logits_TBV


def test_output_masks_drop_the_same_units_at_every_step() -> None:
    logits_TBV = logits_with(output_BH=torch.zeros(4, 16))
    bias_V = small_model().output.bias
    torch.testing.assert_close(logits_TBV, bias_V.expand_as(logits_TBV))


def test_each_stream_has_its_own_masks_between_layers() -> None:
    masks_LBH = torch.ones(2, 4, 16)
    masks_LBH[0, 1] = 0
    whole, masked = logits_with(), logits_with(between_LBH=masks_LBH)
    changed_B = (whole != masked).flatten(2).any(2).all(0)
    assert changed_B.tolist() == [False, True, False, False]


def test_layer_without_recurrent_weights_ignores_the_past() -> None:
    masks_LGH = torch.zeros(3, 64, 16)
    model, x_TB = small_model(), random_codes()
    state = model.initial_state(4)
    for layer in range(3):
        model.layer_weights(layer).bias_ih_G.data[16:32] = -100  # the cells forget too
    swapped_TB = x_TB.clone()
    swapped_TB[:-1] = x_TB[:-1].flip(0)
    results = [
        model(codes_TB, state, Masks(recurrent_LGH=masks_LGH))[0][-1]
        for codes_TB in (x_TB, swapped_TB)
    ]
    torch.testing.assert_close(*results)


def test_dropped_character_is_a_zero_input() -> None:
    model, x_TB = small_model(), random_codes()
    masks_V = torch.ones(len(VOCABULARY))
    masks_V[x_TB[0, 0]] = 0
    masked = logits_with(inputs_V=masks_V)
    assert (masked != logits_with()).any()
    model.layer_weights(0).weight_ih_GI.data[:, x_TB[0, 0]] = 0
    state = State(tuple(part + 0.5 for part in model.initial_state(4).parts_LBH))
    torch.testing.assert_close(masked, model(x_TB, state)[0])


def test_stream_with_dropped_state_restarts_from_the_initial_state() -> None:
    model, x_TB = small_model(), random_codes()
    carried_B1 = torch.tensor([[1.0], [0.0], [1.0], [1.0]])
    masked, whole = logits_with(carried_B1=carried_B1), logits_with()
    blank = model(x_TB, model.initial_state(4))[0]
    torch.testing.assert_close(masked[:, 1], blank[:, 1])
    torch.testing.assert_close(masked[:, [0, 2, 3]], whole[:, [0, 2, 3]])


@pytest.mark.parametrize("cell", CELLS)
def test_config_counts_the_parameters_of_the_network(cell: Cell) -> None:
    model = small_model(cell)
    assert model.config.count_parameters(len(VOCABULARY)) == sum(
        p.numel() for p in model.parameters()
    )


def test_the_default_network_has_about_5_4_million_parameters() -> None:
    assert ModelConfig().count_parameters(65) == 5_421_633


def test_initial_weights_follow_the_seed_alone() -> None:
    first, again, other = small_model(), small_model(), CharRNN(SHAPE, VOCABULARY).initialize(2)
    assert all(np.array_equal(first.arrays()[key], again.arrays()[key]) for key in first.arrays())
    assert not np.array_equal(first.arrays()["output.weight"], other.arrays()["output.weight"])


def test_the_forget_bias_is_set_on_the_forget_gates_alone() -> None:
    model = CharRNN(replace(SHAPE, forget_bias=2.5), VOCABULARY).initialize(1)
    gates = model.layer_weights(1).bias_ih_G.view(4, 16)
    assert gates.sum(dim=1).tolist() == [0, 40, 0, 0]


def test_larger_vocabulary_keeps_the_logits_of_copied_weights() -> None:
    source = small_model()
    torch.nn.init.uniform_(source.output.bias, -2, -1)
    wider = CharRNN(SHAPE, VOCABULARY.extended("xyz")).initialize(9).copy_weights_from(source)
    x_TB = random_codes()
    old_TBV, _ = source(x_TB, source.initial_state(4))
    new_TBV, _ = wider(x_TB, wider.initial_state(4))
    torch.testing.assert_close(new_TBV[..., : len(VOCABULARY)], old_TBV)
    assert wider.output.bias[-3:].tolist() == [source.output.bias.min().item()] * 3


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda arrays: arrays.pop("output.bias"), "output.bias missing or unexpected"),
        (
            lambda arrays: arrays.update({"output.bias": np.zeros(3, np.float32)}),
            r"output.bias has the shape \(3,\), but the model needs \(8,\)",
        ),
    ],
)
def test_mismatched_weights_are_an_error(change, sentence) -> None:  # type: ignore[no-untyped-def]
    model = small_model()
    arrays = model.arrays()
    change(arrays)
    with pytest.raises(CheckpointError, match=sentence):
        model.set_arrays(arrays)
