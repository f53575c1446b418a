import time
from types import SimpleNamespace

import pytest
import torch

from charrnn.training import benchmark_timing
from charrnn.training.benchmark_timing import Timing

CPU = torch.device("cpu")


def set_clocks(monkeypatch: pytest.MonkeyPatch, cpu_seconds: float) -> Timing:
    """Return a timing in which each step takes 1 s, and `cpu_seconds` of CPU time."""
    now = {"wall": 0.0, "cpu": 0.0}

    def step() -> None:
        now["wall"] += 1.0
        now["cpu"] += cpu_seconds

    clocks = SimpleNamespace(
        perf_counter=lambda: now["wall"], process_time=lambda: now["cpu"], sleep=time.sleep
    )
    monkeypatch.setattr(benchmark_timing, "time", clocks)
    monkeypatch.setattr(benchmark_timing, "available_cores", lambda: 2)
    return Timing({"stock float32": step, "limit float32": step}, CPU)


def test_the_cpu_share_is_that_of_the_threads_that_can_run(monkeypatch: pytest.MonkeyPatch) -> None:
    timing = set_clocks(monkeypatch, cpu_seconds=1.5)
    timing.run_round()
    timing.run_round()
    assert timing.rounds == 2
    assert timing.seconds["stock float32"] == [1.0, 1.0]
    assert timing.cpu_share(threads=2) == 0.75
    assert timing.cpu_share(threads=4) == 0.75  # two cores


def test_the_cpu_share_of_short_products_is_unknown() -> None:
    timing = Timing({"limit float32": lambda: None}, CPU)
    timing.run_round()
    assert timing.cpu_share(threads=1) is None
