"""Compare training in one process on all cores with training in one process per core.

    python benchmarks/processes.py tinyshakespeare.txt

Each round starts a new run of each kind. Unknown flags are passed to `charrnn train`. Prints the
median, lowest and highest speed of all rounds, in characters per second.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

_STEPS, _UNCOUNTED = 16, 4  # steps of a run, and steps at its start that are not counted


def characters_per_second(corpus: Path, processes: int, cores: int, flags: list[str]) -> float:
    """Train a few steps in a temporary folder; return the median speed."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        command += [f"--nproc-per-node={processes}", "-m", "charrnn", "train", str(corpus)]
        command += ["-o", str(run), "--max-steps", f"{_STEPS}", "--eval-every", "1000000"]
        command += [
            "--log-every",
            f"{_UNCOUNTED}",
            "--threads",
            f"{cores // processes}",
            *flags,
        ]
        # The evaluation at the last step must take less time than the steps.
        command += ["--val-fraction", "0.01"]
        subprocess.run(command, check=True, capture_output=True, env={**os.environ})
        rows = [json.loads(row) for row in (run / "metrics.jsonl").read_text().splitlines()]
    speeds = [row["characters_per_second"] for row in rows if _UNCOUNTED < row["step"] < _STEPS]
    return float(statistics.median(speeds))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    arguments, flags = parser.parse_known_args()
    cores = len(os.sched_getaffinity(0))
    speeds: dict[int, list[float]] = {1: [], cores: []}
    for _ in range(arguments.rounds):
        for processes, values in speeds.items():
            values.append(characters_per_second(arguments.corpus, processes, cores, flags))
    for processes, values in speeds.items():
        print(
            f"{processes} processes x {cores // processes} threads: "
            f"{statistics.median(values):,.0f} characters per second "
            f"({min(values):,.0f} to {max(values):,.0f})"
        )
    single, several = (statistics.median(values) for values in speeds.values())
    print(f"{cores} processes are {several / single:.2f} times as fast as one")


if __name__ == "__main__":
    main()
