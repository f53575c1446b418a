from typing import get_args

import pytest
import torch
from torch import Tensor

from charrnn.config.model import Cell, ModelConfig
from charrnn.recurrence import native, reference
from charrnn.recurrence.dispatch import run_layer
from charrnn.recurrence.layer import LayerState, LayerWeights

CELLS = get_args(Cell)


def random_weights(cell: Cell, inputs: int, hidden: int, dtype: torch.dtype) -> LayerWeights:
    draws = torch.Generator().manual_seed(3)
    rows = ModelConfig(cell=cell).gates * hidden
    shapes = ((rows, inputs), (rows, hidden), (rows,), (rows,))
    return LayerWeights(
        *(torch.randn(shape, generator=draws, dtype=dtype).requires_grad_() for shape in shapes)
    )


def random_state(cell: Cell, batch: int, hidden: int, dtype: torch.dtype) -> LayerState:
    draws = torch.Generator().manual_seed(4)
    parts = 2 if cell == "lstm" else 1
    return tuple(torch.randn(batch, hidden, generator=draws, dtype=dtype) for _ in range(parts))


def flat(outputs: Tensor, state: LayerState) -> Tensor:
    return torch.cat([outputs.flatten(), *(part.flatten() for part in state)])


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("characters", [7, 60])  # fewer and more than there are gate rows
def test_native_equals_the_plain_loop_on_characters(cell: Cell, characters: int) -> None:
    weights = random_weights(cell, characters, 10, torch.float64)
    state = random_state(cell, 3, 10, torch.float64)
    x_TB = torch.randint(0, characters, (6, 3), generator=torch.Generator().manual_seed(5))
    results = []
    for engine in (native, reference):
        result = flat(*engine.run_layer(cell, x_TB, state, weights))
        gradients = torch.autograd.grad(result.square().sum(), list(weights))
        results.append([result, *gradients])
    for native_part, reference_part in zip(*results, strict=True):
        torch.testing.assert_close(native_part, reference_part)


@pytest.mark.parametrize("cell", CELLS)
def test_native_equals_the_plain_loop_on_vectors(cell: Cell) -> None:
    weights = random_weights(cell, 5, 10, torch.float64)
    state = random_state(cell, 3, 10, torch.float64)
    inputs_TBI = torch.randn(6, 3, 5, dtype=torch.float64)
    torch.testing.assert_close(
        flat(*native.run_layer(cell, inputs_TBI, state, weights)),
        flat(*reference.run_layer(cell, inputs_TBI, state, weights)),
    )


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("engine", ["native", "reference"])
def test_gradients_agree_with_finite_differences(cell: Cell, engine: str) -> None:
    run = {"native": native, "reference": reference}[engine].run_layer
    weights = random_weights(cell, 3, 4, torch.float64)
    state = tuple(part.requires_grad_() for part in random_state(cell, 2, 4, torch.float64))
    inputs_TBI = torch.randn(3, 2, 3, dtype=torch.float64, requires_grad=True)

    def result(inputs_TBI: Tensor, *parts: Tensor) -> Tensor:
        return flat(*run(cell, inputs_TBI, parts[:-4], LayerWeights(*parts[-4:])))

    assert torch.autograd.gradcheck(result, (inputs_TBI, *state, *weights))


@pytest.mark.parametrize("cell", CELLS)
def test_one_step_at_a_time_is_one_long_stretch(cell: Cell) -> None:
    weights = random_weights(cell, 7, 10, torch.float64)
    state = random_state(cell, 3, 10, torch.float64)
    x_TB = torch.randint(0, 7, (6, 3))
    whole = flat(*run_layer(cell, x_TB, state, weights))
    outputs = []
    for x_1B in torch.split(x_TB, 1):
        output_1BH, state = run_layer(cell, x_1B, state, weights)
        outputs.append(output_1BH)
    torch.testing.assert_close(flat(torch.cat(outputs), state), whole)
