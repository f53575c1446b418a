import numpy as np
import pytest
import torch

from charrnn.analysis.clamping import clamp_units, measure_effect
from charrnn.analysis.units import Unit
from charrnn.config.model import Cell
from charrnn.errors import ConfigError
from charrnn.model.network import CharRNN
from charrnn.model.state import State
from charrnn.recurrence.reference import run_layer
from tests.analysis.small_model import make_small_model


def reference_clamped(
    model: CharRNN, codes: list[int], unit: Unit, value: float
) -> tuple[torch.Tensor, State]:
    """Read characters one by one; set the unit after each step of its layer."""

    state, logits = model.initial_state(1), []
    for code in codes:
        inputs, parts = torch.tensor([[code]]), []
        for layer in range(model.config.num_layers):
            weights = model.layer_weights(layer)
            before = state.layer(layer)
            inputs, after = run_layer(model.config.cell, inputs, before, weights)
            if layer + 1 == unit.layer:
                index = unit.number - 1
                hidden = after[0].clone()
                if model.config.cell == "lstm":  # hidden / tanh(cell) is the output gate
                    hidden[0, index] = hidden[0, index] / after[1][0, index].tanh() * value
                else:
                    hidden[0, index] = value
                after, inputs = (hidden, *after[1:]), hidden[None]
            parts.append(after)
        state = State(tuple(torch.stack(part) for part in zip(*parts, strict=True)))
        logits.append(model.output(inputs[0]))
    return torch.cat(logits), state


@pytest.mark.parametrize("unit", [Unit(1, 3), Unit(2, 1)])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@torch.no_grad()
def test_clamped_unit_keeps_its_activity(cell: Cell, unit: Unit) -> None:
    model = make_small_model(cell)
    for name, parameter in model.named_parameters():
        torch.nn.init.normal_(
            parameter, std=0.7, generator=torch.Generator().manual_seed(len(name))
        )
    codes = [1, 2, 3, 0, 2, 2, 1]
    expected_TV, _ = reference_clamped(model, codes, unit, -0.6)
    clamped_model = clamp_units(model, {unit: -0.6})
    logits_T1V, _ = clamped_model(torch.tensor(codes)[:, None], clamped_model.initial_state(1))
    torch.testing.assert_close(logits_T1V[:, 0], expected_TV, atol=1e-5, rtol=1e-5)
    free_T1V, _ = model(torch.tensor(codes)[:, None], model.initial_state(1))
    assert not torch.allclose(free_T1V[:, 0], expected_TV, atol=1e-3)


def test_activity_out_of_range_is_an_error() -> None:
    with pytest.raises(ConfigError, match="between -1 and 1"):
        clamp_units(make_small_model("lstm"), {Unit(1, 1): 1.5})


def test_effect_is_zero_without_clamping_and_lists_the_largest_changes() -> None:
    model = make_small_model("rnn")
    codes = np.array([1, 2, 3, 0] * 10, np.uint8)
    assert measure_effect(model, clamp_units(model, {}), codes).divergence == 0
    changed = measure_effect(model, clamp_units(model, {Unit(2, 1): 1.0}), codes, count=2)
    assert changed.divergence > 0
    assert len(changed.changes) == 2
    first, second = (abs(after - before) for _, before, after in changed.changes)
    assert first >= second > 0
