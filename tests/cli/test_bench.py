import json

import pytest

from charrnn.training import benchmark
from charrnn.training.benchmark_timing import Timing
from tests.conftest import Cli


@pytest.fixture(autouse=True)
def short_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compute the loss of the 8-bit weights from few characters: it takes most of the time."""
    monkeypatch.setattr(benchmark, "_SCORED_CHARACTERS", 300)


def test_bench_prints_a_table_and_json(cli: Cli) -> None:
    sizes = ("--hidden-size", 8, "--num-layers", 1, "--batch-size", 2, "--seq-length", 4)
    outcome = cli("bench", *sizes, "--max-time", "1s", "--threads", 1)
    assert outcome.code == 0
    assert "charrnn float32" in outcome.out
    assert "1 layer of 8 lstm units" in outcome.out
    outcome = cli("bench", *sizes, "--max-time", "0.001", "--threads", 1, "--json")
    result = json.loads(outcome.out)
    assert result["threads"] == 1
    assert "LSTM engine" in result["engines"]["float32"]
    assert result["instructions"]
    assert result["cpu_share"] is None  # such small products say nothing
    assert result["default_shape"]["batch_size"] == 32
    assert {"name", "median", "minimum", "maximum", "times_stock"} == set(result["measured"][0])


def test_the_table_names_the_engine_of_each_row(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        benchmark, "_describe_engines", lambda *_: {"bfloat16": "CUDA kernel, bfloat16"}
    )
    sizes = ("--hidden-size", 8, "--num-layers", 1, "--batch-size", 2, "--seq-length", 4)
    outcome = cli("bench", *sizes, "--max-time", "0.001", "--threads", 1)
    (line,) = (line for line in outcome.out.splitlines() if "engine" in line)
    assert line.split() == ["engine", "in", "bfloat16", "CUDA", "kernel,", "bfloat16"]


@pytest.mark.parametrize(("cpu_share", "is_warned"), [(0.97, False), (0.7, True), (None, False)])
def test_other_work_is_reported_in_one_line(
    cpu_share: float | None, is_warned: bool, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Timing, "cpu_share", lambda *_: cpu_share)
    sizes = ("--hidden-size", 8, "--num-layers", 1, "--batch-size", 2, "--seq-length", 4)
    outcome = cli("bench", *sizes, "--max-time", "0.001", "--threads", 1)
    warnings = [line for line in outcome.err.splitlines() if "other work" in line]
    assert len(warnings) == is_warned
    assert not is_warned or "70% of the CPU time" in warnings[0]
