import pytest
import torch

from charrnn.config.model import Cell
from charrnn.recurrence import native
from charrnn.recurrence.dispatch import run_layer
from tests.recurrence.layers import CELLS, flat, layer, plain, random_state, random_weights, single


@pytest.mark.parametrize("batch", [3, 32])
def test_every_engine_gives_the_same_layer(batch: int) -> None:
    inputs, state, weights = single(layer(4, batch))
    whole, _ = run_layer("lstm", inputs, state, weights)
    torch.testing.assert_close(whole, native.run_layer("lstm", inputs, state, weights)[0])
    torch.testing.assert_close(whole, plain(inputs, state, weights)[0])


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
