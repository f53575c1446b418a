"""A long run in which a process is killed or a file is damaged every few seconds."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.training.soak import CONFIG, INCIDENTS, SAVE_EVERY
from tests.training.tiny_runs import assert_resume_is_exact

ROOT = Path(__file__).parents[2]
MAX_GROWTH = 8 << 10  # KiB of memory that the processes of the second half may use in addition


@pytest.fixture(autouse=True)
def _short_previews() -> None:
    """Previews have their usual length, as in the processes of the soak test."""


def check_soak(seconds: float, seed: int) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "tests.training.soak", str(seconds), str(seed)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds + 600,
    )
    assert process.returncode == 0, process.stderr
    result = json.loads(process.stdout)
    assert result["incidents"].keys() == set(INCIDENTS)
    assert result["lost"] <= SAVE_EVERY, "a flipped byte costs one save interval, the rest none"
    samples = result["samples"]
    halves = samples[: len(samples) // 2], samples[len(samples) // 2 :]
    files = [max(count for _, _, count in half) for half in halves]
    assert files[1] <= files[0] + 1, "the number of open files is constant"
    memory = [max(kib for _, kib, _ in half) for half in halves]
    assert memory[1] <= memory[0] + MAX_GROWTH, "the memory is constant"
    assert_resume_is_exact(CONFIG, result["step"] + 5)
    print(
        f"{sum(result['incidents'].values())} incidents in {seconds:,.0f} s, to step "
        f"{result['step']:,}, then exact; at most {result['lost']} steps lost; memory "
        f"{memory[0] / 1024:.0f} and {memory[1] / 1024:.0f} MiB in the two halves"
    )


@pytest.mark.slow
def test_a_run_survives_one_incident_of_each_kind() -> None:
    check_soak(1, seed=1)


@pytest.mark.slow
def test_a_run_survives_an_hour_of_incidents() -> None:
    check_soak(3600, seed=2)
