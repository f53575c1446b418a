import subprocess
import sys
from pathlib import Path

import pytest
import torch

from charrnn.config.model import Cell, ModelConfig
from charrnn.recurrence import native
from charrnn.recurrence.dispatch import describe_engine, run_layer
from tests.recurrence.layers import (
    CELLS,
    as_float32,
    flatten,
    layer,
    random_state,
    random_weights,
    run_reference,
)


@pytest.mark.parametrize("batch", [3, 32])
def test_every_engine_gives_the_same_layer(batch: int) -> None:
    inputs, state, weights = as_float32(layer(4, batch))
    whole, _ = run_layer("lstm", inputs, state, weights)
    torch.testing.assert_close(whole, native.run_layer("lstm", inputs, state, weights)[0])
    torch.testing.assert_close(whole, run_reference(inputs, state, weights)[0])


@pytest.mark.parametrize("cell", CELLS)
def test_single_steps_equal_one_long_call(cell: Cell) -> None:
    weights = random_weights(cell, 7, 10, torch.float64)
    state = random_state(cell, 3, 10, torch.float64)
    x_TB = torch.randint(0, 7, (6, 3))
    whole = flatten(*run_layer(cell, x_TB, state, weights))
    outputs = []
    for x_1B in torch.split(x_TB, 1):
        output_1BH, state = run_layer(cell, x_1B, state, weights)
        outputs.append(output_1BH)
    torch.testing.assert_close(flatten(torch.cat(outputs), state), whole)


def test_networks_work_without_numba(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.recurrence.without_numba", str(tmp_path / "run")]
    subprocess.run(command, cwd=Path(__file__).parents[2], check=True)


def test_cpu_has_no_engine_description() -> None:
    sizes = {"steps": 64, "streams": 32}
    for precision in ("float32", "bfloat16"):
        device = torch.device("cpu")
        assert (
            describe_engine(ModelConfig(), 65, precision=precision, device=device, **sizes) is None
        )
