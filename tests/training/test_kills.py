"""Processes that a signal ends during training: no checkpoint is lost, and resume is exact."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from charrnn.runs.run import Run
from tests.training.kill_harness import CONFIG
from tests.training.tiny_runs import assert_resume_is_exact

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _short_previews() -> None:
    """Previews have their usual length, as in the processes of the harness."""


def run_harness(kills: int, number: signal.Signals, seed: int) -> dict[str, Any]:
    process = subprocess.run(
        [
            *(sys.executable, "-m", "tests.training.kill_harness"),
            *(str(kills), str(int(number)), str(seed)),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=3000,
    )
    assert process.returncode == 0, process.stderr
    result: dict[str, Any] = json.loads(process.stdout)
    assert len(result["children"]) == kills
    return result


def check_kills(kills: int, seed: int) -> None:
    result = run_harness(kills, signal.SIGKILL, seed)
    for child in result["children"]:
        assert child["code"] == -signal.SIGKILL
        assert child["first"] == child["before"] + 1, (
            "training continues from the newest checkpoint"
        )
        assert child["after"] >= child["before"], "no checkpoint is lost"
        # The last reported step may not be saved yet.
        assert child["last"] - child["after"] <= result["save_every"], (
            "at most one interval is lost"
        )
    assert result["children"][-1]["after"] >= result["save_every"], "the run makes progress"
    assert_resume_is_exact(CONFIG, Run.open(Path("run")).select("last").step + 5)
    print(f"kills survived: {kills}, to step {result['children'][-1]['after']:,}, then exact")


def check_stops(kills: int, number: signal.Signals, seed: int) -> None:
    result = run_harness(kills, number, seed)
    for child in result["children"]:
        assert child["code"] == 128 + number
        assert child["first"] == child["before"] + 1
        assert 0 <= child["last"] - child["after"] <= 1, "at most one step is lost"
        assert child["milliseconds"] < 5000
    assert_resume_is_exact(CONFIG, Run.open(Path("run")).select("last").step + 5)
    slowest = max(child["milliseconds"] for child in result["children"])
    print(f"{kills} x {number.name}, the slowest stop after {slowest} ms, then exact")


def test_kills_at_random_times_lose_no_checkpoint() -> None:
    check_kills(12, seed=1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_at_random_times_save_before_the_end(number: signal.Signals) -> None:
    check_stops(3, number, seed=2)


@pytest.mark.slow
def test_three_hundred_kills_lose_no_checkpoint() -> None:
    check_kills(300, seed=3)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_fifty_signals_save_before_the_end(number: signal.Signals) -> None:
    check_stops(50, number, seed=4)
