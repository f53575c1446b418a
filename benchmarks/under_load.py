"""Compare commands on a quiet machine and beside a process that keeps one core busy.

    python benchmarks/under_load.py RUN TEXT [--rounds 3] [--only "score --adapt" ...]

RUN is a run of the default network that was trained on TEXT. Each round runs each command quietly
and then beside an endless loop in another process. Training also runs with one thread; the speed is
the median of the rows of its metrics.jsonl, without the first. Other commands are timed with the
start of the program. Prints medians over the rounds, and the range in parentheses.
"""

import argparse
import functools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from timing import busy_process

from charrnn.numerics.cpu import available_cores, cpu_name

STEPS = 60
SCORED_CHARACTERS, ADAPTED_CHARACTERS = 60_000, 8_000
CHARRNN = [sys.executable, "-m", "charrnn"]
Measurements = dict[str, dict[bool, list[float]]]
"""The values of each command on a quiet machine (False) and beside a busy process (True)."""


def run_charrnn(*arguments: str) -> float:
    """Run a command; return its time in seconds. Raise `RuntimeError` if it fails."""
    start = time.perf_counter()
    result = subprocess.run([*CHARRNN, *arguments], capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(result.stderr)
    return time.perf_counter() - start


def training_speed(text: Path, folder: Path, *options: str) -> float:
    """Train for some steps; return the median speed in characters per second."""
    out = Path(tempfile.mkdtemp(dir=folder)) / "run"
    steps = str(STEPS)
    run_charrnn(
        "train", str(text), "-o", str(out), "--max-steps", steps, "--eval-every", steps, *options
    )
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text("utf-8").splitlines()]
    speeds = [row["characters_per_second"] for row in rows if row["characters_per_second"]]
    return float(statistics.median(speeds[1:]))


def timed_commands(run: str, text: Path, folder: Path) -> dict[str, list[str]]:
    """Return the arguments of the commands that are timed as a whole."""
    characters = text.read_text("utf-8")
    scored, adapted = folder / "scored.txt", folder / "adapted.txt"
    scored.write_text(characters[:SCORED_CHARACTERS], "utf-8")
    adapted.write_text(characters[:ADAPTED_CHARACTERS], "utf-8")
    page = str(folder / "page.html")
    return {
        "score": ["score", run, str(scored)],
        "score --adapt": ["score", run, str(adapted), "--adapt"],
        "sample": ["sample", run, "-n", "20000", "-s", "1"],
        "sample --num-samples 64": ["sample", run, "--num-samples", "64", "-n", "400", "-s", "1"],
        "neurons": ["neurons", run, "--corpus", str(text)],
        "plot -o run.html": ["plot", run, "-o", page, "--corpus", str(text)],
    }


def measure_both(measure: Callable[[], float], values: dict[bool, list[float]]) -> None:
    """Measure quietly and beside a busy process; append the values."""
    for is_busy in (False, True):
        with busy_process(is_busy):
            values.setdefault(is_busy, []).append(measure())


def format_values(values: list[float], digits: int) -> str:
    """Return the median and the range."""
    low, high = min(values), max(values)
    return f"{statistics.median(values):,.{digits}f} ({low:,.{digits}f} to {high:,.{digits}f})"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run")
    parser.add_argument("text", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", metavar="COMMAND", help="measure these commands only")
    options = parser.parse_args()
    print(f"{cpu_name()}, {available_cores()} cores, torch {torch.__version__}")
    training: Measurements = {}
    timed: Measurements = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        trainings = {"train": [], "train --threads 1": ["--threads", "1"]}
        commands = timed_commands(options.run, options.text, folder)
        for _ in range(options.rounds):
            for name, flags in trainings.items():
                if name in (options.only or trainings):
                    speed = functools.partial(training_speed, options.text, folder, *flags)
                    measure_both(speed, training.setdefault(name, {}))
            for name, arguments in commands.items():
                if name in (options.only or commands):
                    seconds = functools.partial(run_charrnn, *arguments)
                    measure_both(seconds, timed.setdefault(name, {}))
    print("\ntraining, characters per second: quiet, beside a busy process, ratio")
    for name, values in training.items():
        print_row(name, values, digits=0)
    if len(training) == len(trainings):
        pairs = zip(*(values[True] for values in training.values()), strict=True)
        ratio = statistics.median(default / single for default, single in pairs)
        print(f"  beside a busy process, the default is {ratio:.2f} times as fast as --threads 1")
    print("\nother commands, seconds: quiet, beside a busy process, ratio")
    for name, values in timed.items():
        print_row(name, values, digits=1)


def print_row(name: str, values: dict[bool, list[float]], digits: int) -> None:
    """Print the values of a command and the median over rounds of busy to quiet."""
    ratio = statistics.median(
        busy / quiet for quiet, busy in zip(values[False], values[True], strict=True)
    )
    quiet_text, busy_text = (format_values(values[is_busy], digits) for is_busy in (False, True))
    print(f"  {name:24} {quiet_text:30} {busy_text:30} {ratio:.2f}")


if __name__ == "__main__":
    main()
