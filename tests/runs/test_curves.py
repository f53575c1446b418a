"""Tests of the loss curves of runs."""

import json
import math

import pytest

from charrnn.runs.curves import Axis, read_curves
from charrnn.runs.metrics import read_rows
from charrnn.runs.run import Run
from charrnn.training.events import Finished


@pytest.fixture
def run(finished: Finished) -> Run:
    return finished.run


def test_curves_are_the_losses_of_the_run_in_nats_or_bits(run: Run) -> None:
    rows = read_rows(run.metrics_path)
    in_nats, in_bits = read_curves([run], unit="nats"), read_curves([run], unit="bits")
    train, held_out = in_nats.series
    assert train.points == tuple(
        (row["step"], row["train_loss"]) for row in rows if row["train_loss"]
    )
    assert held_out.points == tuple(
        (row["step"], row["val_loss"]) for row in rows if row["val_loss"]
    )
    assert in_bits.series[1].points[-1][1] == pytest.approx(held_out.points[-1][1] / math.log(2))
    assert {y for _, y in in_nats.baselines[0].points} == {run.config.baseline}
    assert in_nats.y_name == "loss (nats per character)"


@pytest.mark.parametrize(
    ("axis", "name", "last"),
    [
        ("steps", "step", 30),
        ("characters", "characters read", 30 * 4 * 8),
        ("epochs", "epoch", None),
    ],
)
def test_the_x_axis_is_the_requested_one(
    axis: Axis, name: str, last: float | None, run: Run
) -> None:
    result = read_curves([run], axis)
    assert result.x_name == name
    assert result.series[0].points[-1][0] == (last or read_rows(run.metrics_path)[-1]["epoch"])


@pytest.mark.parametrize(
    ("seconds", "unit", "end"), [(90, "s", 90), (600, "min", 10), (7200, "h", 2)]
)
def test_the_unit_of_time_depends_on_the_length_of_the_run(
    seconds: float, unit: str, end: float, run: Run
) -> None:
    rows = read_rows(run.metrics_path)
    rows[-1]["seconds"] = seconds
    run.metrics_path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = read_curves([run], "time")
    assert result.x_name == f"time ({unit})"
    assert result.series[0].points[-1][0] == pytest.approx(end)


def test_curves_of_several_runs_have_the_name_of_the_run_and_share_an_equal_baseline(
    run: Run,
) -> None:
    result = read_curves([run, run])
    assert [series.name for series in result.series][:2] == ["verse train", "verse held out"]
    assert len(result.baselines) == 1
