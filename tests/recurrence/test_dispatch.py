import subprocess
import sys
from pathlib import Path

import pytest
import torch

from charrnn.config.model import Cell, ModelConfig
from charrnn.recurrence import native
from charrnn.recurrence.dispatch import describe_engine, run_layer
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


def test_without_numba_networks_compute_all_the_same(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.recurrence.without_numba", str(tmp_path / "run")]
    subprocess.run(command, cwd=Path(__file__).parents[2], check=True)


def test_a_processor_has_no_choice_of_engine_to_report() -> None:
    sizes = {"steps": 64, "streams": 32}
    for precision in ("float32", "bfloat16"):
        device = torch.device("cpu")
        assert (
            describe_engine(ModelConfig(), 65, precision=precision, device=device, **sizes) is None
        )
