"""Stage 5: run `charrnn train`, `sample` and `score` on a text with the defaults.

python -m gpu_check.training TEXT
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gpu_check.results import print_result
from gpu_check.timed_command import START

WINDOW = 256  # characters of context in scoring
_TINY: tuple[str, ...] = (
    "--num-layers",
    "2",
    "--hidden-size",
    "16",
    "--max-steps",
    "30",
    "--eval-every",
    "10",
)
_TINY += ("--batch-size", "4", "--seq-length", "16", "--val-fraction", "0.01")


def run_charrnn(*arguments: object, prefix: tuple[str, ...] = ("charrnn",)) -> str:
    """Run a charrnn command; return its standard output."""
    command = [sys.executable, "-m", *prefix, *map(str, arguments)]
    environment = {**os.environ, START: str(time.monotonic())}
    process = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, env=environment, encoding="utf-8"
    )
    return process.stdout


def main() -> None:
    """Train, sample, score; print the times and the losses."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("text", type=Path)
    parser.add_argument("--rehearse", action="store_true")
    options = parser.parse_args()
    device = "cpu" if options.rehearse else "cuda"
    settings = _TINY if options.rehearse else ()
    with tempfile.TemporaryDirectory() as folder:
        run, split = Path(folder) / "run", Path(folder) / "split.json"
        timed = ("gpu_check.timed_command", str(split))
        start = time.monotonic()
        run_charrnn("train", options.text, "-o", run, "--device", device, *settings, prefix=timed)
        trained = time.monotonic()
        print(run_charrnn("sample", run, "--seed", 1), flush=True)
        end = time.monotonic()
        seconds: dict[str, float] = json.loads(split.read_text("utf-8"))
        seconds["exit"] = trained - start - sum(seconds.values())
        for kind, value in seconds.items():
            print_result(f"train-seconds-{kind.replace(' ', '-')}", value, "s")
        print_result("train-seconds", trained - start, "s")
        print_result("sample-seconds", end - trained, "s")
        print_result("train-to-sample", end - start, "s")
        print((run / "metrics.jsonl").read_text("utf-8"))
        for name, arguments in (
            (f"held-out-loss-{WINDOW}", ("--context", WINDOW)),
            ("held-out-loss-carried", ()),
        ):
            score = json.loads(run_charrnn("score", run, *arguments, "--json"))
            values = score[0] if isinstance(score, list) else score
            print_result(name, values["nats_per_char"], "nats")


if __name__ == "__main__":
    main()
