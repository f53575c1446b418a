"""Train in float32 and in bfloat16, and plot the training losses in one figure.

    python benchmarks/precision_curves.py tinyshakespeare.txt --runs RUNS --plot curves.png \
        --batch-size 64 --seq-length 32

Unknown flags are passed to `charrnn train`. Finished runs are not trained again. Prints the
smoothed final loss of each seed. Also prints whether the difference between the means of the two
precisions is within the spread over seeds: the larger one of the two ranges (highest minus lowest).
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

PRECISIONS = {"float32": "tab:blue", "bfloat16": "tab:orange"}
WINDOW = 50  # steps in a moving average


def smoothed_losses(run: Path) -> NDArray[np.float64]:
    """Return the moving average of the training loss, in nats per character."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text("utf-8").splitlines()]
    losses = np.array([row["train_loss"] for row in rows if row["train_loss"] is not None])
    return np.convolve(losses, np.ones(WINDOW) / WINDOW, mode="valid")


def train(corpus: Path, run: Path, steps: int, flags: list[str]) -> None:
    """Train a run with the command line, unless it is finished."""
    if not (run / f"step-{steps:08d}").exists():
        command = [sys.executable, "-m", "charrnn", "train", str(corpus), "-o", str(run)]
        command += ["--max-steps", str(steps), "--log-every", "1", "--eval-every", str(steps)]
        subprocess.run([*command, *flags], check=True)


def main() -> None:
    """Train, print, plot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--runs", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--plot", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=3)
    arguments, flags = parser.parse_known_args()
    curves: dict[str, list[NDArray[np.float64]]] = {precision: [] for precision in PRECISIONS}
    for seed in range(1, arguments.seeds + 1):
        for precision, seed_curves in curves.items():
            run = arguments.runs / f"{precision}-{seed}"
            run_flags = ["--precision", precision, "--seed", str(seed), *flags]
            train(arguments.corpus, run, arguments.steps, run_flags)
            seed_curves.append(smoothed_losses(run))
    final = {
        precision: np.array([curve[-1] for curve in seed_curves])
        for precision, seed_curves in curves.items()
    }
    for precision, losses in final.items():
        print(
            f"{precision:9} {losses.round(4)} mean {losses.mean():.4f} range {np.ptp(losses):.4f}"
        )
    difference = abs(final["float32"].mean() - final["bfloat16"].mean())
    spread = max(np.ptp(losses) for losses in final.values())
    within = "within" if difference <= spread else "BEYOND"
    print(f"difference of the means {difference:.4f}, {within} the spread over seeds {spread:.4f}")
    plot(curves, arguments.plot)


def plot(curves: dict[str, list[NDArray[np.float64]]], path: Path) -> None:
    """Plot the curve of every run, one color for each precision."""
    mpl.use("agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for precision, color in PRECISIONS.items():
        for seed, losses in enumerate(curves[precision]):
            label = precision if seed == 0 else None
            steps = np.arange(len(losses)) + WINDOW
            axes.plot(steps, losses, color=color, linewidth=0.9, alpha=0.8, label=label)
    axes.set_xlabel("step")
    axes.set_ylabel(f"training loss, nats per character (mean of {WINDOW} steps)")
    axes.set_yscale("log")
    axes.legend()
    axes.grid(alpha=0.3, which="both")
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
