"""Train the default network with one process on all cores, and with one process a core.

    python benchmarks/processes.py tinyshakespeare.txt

The kinds take turns, a fresh run each; flags it does not know go to `charrnn train`. Prints
characters a second, the median of the rounds with the slowest and the fastest.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

_STEPS, _LEFT_OUT = 16, 4  # steps of a run, and those at its start that are not counted


def characters_per_second(corpus: Path, processes: int, cores: int, flags: list[str]) -> float:
    """Train a few steps in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        command += [f"--nproc-per-node={processes}", "-m", "charrnn", "train", str(corpus)]
        command += ["-o", str(run), "--max-steps", f"{_STEPS}", "--eval-every", "1000000"]
        command += ["--log-every", f"{_LEFT_OUT}", "--threads", f"{cores // processes}", *flags]
        # An evaluation at the last step would cost more than all of them.
        command += ["--val-fraction", "0.01"]
        subprocess.run(command, check=True, capture_output=True, env={**os.environ})
        rows = [json.loads(row) for row in (run / "metrics.jsonl").read_text().splitlines()]
    speeds = [row["characters_per_second"] for row in rows if _LEFT_OUT < row["step"] < _STEPS]
    return float(statistics.median(speeds))


def main() -> None:
    """Time, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    asked, flags = parser.parse_known_args()
    cores = len(os.sched_getaffinity(0))
    speeds: dict[int, list[float]] = {1: [], cores: []}
    for _ in range(asked.rounds):
        for processes, found in speeds.items():
            found.append(characters_per_second(asked.corpus, processes, cores, flags))
    for processes, found in speeds.items():
        print(
            f"{processes} processes x {cores // processes} threads: "
            f"{statistics.median(found):,.0f} characters a second "
            f"({min(found):,.0f} to {max(found):,.0f})"
        )
    one, several = (statistics.median(found) for found in speeds.values())
    print(f"{cores} processes are {several / one:.2f} times as fast as one")


if __name__ == "__main__":
    main()
