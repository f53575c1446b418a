"""Processes that are ended while they really train: nothing is lost, the run goes on exactly."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from charrnn.data.corpus import Corpus
from charrnn.runs.metrics import read_rows
from charrnn.runs.run import Run
from charrnn.training.loop import resume, train
from tests.conftest import TINY_MODEL
from tests.training.kill_harness import CONFIG
from tests.training.tiny_runs import assert_same_but_for_the_steps_kept, stopped_after

ROOT = Path(__file__).parents[2]


def ended(kills: int, number: signal.Signals, seed: int) -> dict[str, Any]:
    done = subprocess.run(
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
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    assert len(result["found"]) == kills
    return result


def assert_exact() -> None:
    """The run that was ended so often is the one that was never ended."""
    step = Run.open(Path("run")).select("last").step + 5
    stop = threading.Event()
    stopped_after(resume("run", stop=stop), stop, step)
    stop, text = threading.Event(), Corpus.open("verse.txt")
    stopped_after(train(text, CONFIG, TINY_MODEL, out_dir="whole", stop=stop), stop, step)
    assert Run.open(Path("run")).select("last").step == step
    assert_same_but_for_the_steps_kept(Path("run"), Path("whole"))
    steps = [row["step"] for row in read_rows(Path("run/metrics.jsonl"))]
    assert steps == sorted(set(steps))


def judge_kills(kills: int, seed: int) -> None:
    result = ended(kills, signal.SIGKILL, seed)
    for each in result["found"]:
        assert each["code"] == -signal.SIGKILL
        assert each["first"] == each["before"] + 1, "it goes on from what was saved"
        assert each["after"] >= each["before"], "nothing saved is lost"
        # The last step told may still have been on its way to be saved.
        assert each["last"] - each["after"] <= result["save_every"], "one interval at most"
    assert result["found"][-1]["after"] > kills, "each resume gets further"
    assert_exact()
    print(f"kills survived: {kills}, to step {result['found'][-1]['after']:,}, then exact")


def judge_stops(kills: int, number: signal.Signals, seed: int) -> None:
    result = ended(kills, number, seed)
    for each in result["found"]:
        assert each["code"] == 128 + number
        assert each["first"] == each["before"] + 1
        assert 0 <= each["last"] - each["after"] <= 1, "one step at most"
        assert each["milliseconds"] < 5000
    assert_exact()
    slowest = max(each["milliseconds"] for each in result["found"])
    print(f"{number.name} obeyed: {kills}, the slowest after {slowest} ms, then exact")


def test_kills_at_random_moments_lose_nothing() -> None:
    judge_kills(50, seed=1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_at_random_moments_save_first(number: signal.Signals) -> None:
    judge_stops(5, number, seed=2)


@pytest.mark.slow
def test_three_hundred_kills() -> None:
    judge_kills(300, seed=3)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_fifty_signals(number: signal.Signals) -> None:
    judge_stops(50, number, seed=4)
