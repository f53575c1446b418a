import pytest
import torch
from torch import Tensor

from charrnn.config.model import Cell
from charrnn.recurrence import native, reference
from charrnn.recurrence.layer import LayerWeights
from tests.recurrence.layers import CELLS, flat, random_state, random_weights


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
