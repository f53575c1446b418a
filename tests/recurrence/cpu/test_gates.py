import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.recurrence.cpu import gates, lstm, matmul
from tests.recurrence.layers import as_float32, layer


def test_nan_weights_give_nan_outputs() -> None:
    inputs, state, weights = as_float32(layer())
    weights.weight_hh_GH.data[0, 0] = float("nan")
    assert lstm.run_layer(inputs, state, weights)[0].isnan().any()


@settings(max_examples=300)
@given(st.floats(width=32, min_value=-300, max_value=300))
def test_gates_are_exact_to_float32(x: float) -> None:
    one = np.ones((1, 1), np.float32)
    activations, memory = np.empty((1, 4), np.float32), np.empty((1, 1), np.float32)
    gates.forward(
        np.zeros(1, np.int64), np.full((1, 4), x, np.float32), np.zeros(4, np.float32),
        np.zeros((1, 4), np.float32), activations, one, memory, one.copy(),
    )  # fmt: skip
    expected = 1 / (1 + np.exp(-np.float64(x)))
    assert abs(activations[0, 0] - expected) < 2e-7
    assert abs(activations[0, 2] - np.tanh(np.float64(x))) < 3e-7
    assert abs(memory[0, 0] - expected * (1 + np.tanh(np.float64(x)))) < 8e-7


def test_hidden_states_are_rounded_to_bfloat16_as_torch_does() -> None:
    cells = torch.linspace(0.01, 4, 4001)
    units = len(cells)
    hidden = torch.empty(1, units, dtype=torch.bfloat16)
    projected = torch.zeros(1, 4 * units)
    projected[0, : 2 * units] = 40.0  # input and forget gate open
    projected[0, 3 * units :] = 40.0
    gates.forward(
        np.zeros(1, np.int64), projected.numpy(), np.zeros(4 * units, np.float32),
        np.zeros((1, 4 * units), np.float32), np.empty((1, 4 * units), np.float32),
        cells[None].numpy(), np.empty((1, units), np.float32), matmul.as_array(hidden),
    )  # fmt: skip
    exact = cells.double().tanh()
    errors = (hidden[0].double() - exact).abs() / exact
    assert errors.max() <= 2**-8 * 1.0001
    assert (hidden[0] == exact.float().bfloat16()).double().mean() > 0.998
