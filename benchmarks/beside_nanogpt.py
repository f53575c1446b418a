"""Train charrnn and nanoGPT on the same text and cores; print the held-out loss over wall time.

    python benchmarks/beside_nanogpt.py FOLDER [TEXT] --runs RUNS

FOLDER is a checkout of https://github.com/karpathy/nanoGPT. TEXT is the bundled text by default.
Each program trains alone on the machine, for the same time and with the same number of threads:

- charrnn with its defaults and `--max-time`;
- nanoGPT with the settings for a CPU in its README. Its number of iterations, which is also the
  length of its learning rate schedule, is chosen to fill the time at the measured speed.

The wall time includes the start of each program, its evaluations and its checkpoints. Both programs
hold out the last tenth of the text. The losses are those of this whole part, except charrnn's
before the end: it then reads the first characters. charrnn carries its state. nanoGPT reads blocks
of 64 characters. "blocks" are independent, as in nanoGPT's own estimate, which samples some of
them. "sliding" moves the block by 16 characters and counts the last 16 predictions, so that each
has at least 48 characters of context.

RUNS keeps the results: a program that finished is not trained again.
"""

import argparse
import json
import os
import pickle
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from nanogpt_loss import BLOCK, held_out_losses
from numpy.typing import NDArray

import charrnn
from charrnn.numerics.cpu import available_cores
from charrnn.numerics.information import nats_to_bits

ROWS = 8  # evaluations of nanoGPT, and rows of the table
CALIBRATION = 200  # iterations that measure the speed of nanoGPT; the first ten are not counted
DEFAULT_TEXT = Path(__file__).parents[1] / "corpora" / "low-hundreds.txt"
NANOGPT_RECIPE = (
    *("train.py", "config/train_shakespeare_char.py", "--device=cpu", "--compile=False"),
    *("--eval_iters=20", "--log_interval=1", f"--block_size={BLOCK}", "--batch_size=12"),
    *("--n_layer=4", "--n_head=4", "--n_embd=128", "--dropout=0.0"),
)

Losses = list[dict[str, float]]
"""The losses of the checkpoints of a program by name, in nats, and "seconds" of wall time."""


def write_data(text: str, folder: Path) -> NDArray[np.uint16]:
    """Write the files that nanoGPT reads; return the codes of the held-out characters."""
    vocabulary = sorted(set(text))
    code_of = {character: code for code, character in enumerate(vocabulary)}
    codes = np.array([code_of[character] for character in text], np.uint16)
    training, held_out = np.split(codes, [int(len(codes) * 0.9)])
    training.tofile(folder / "train.bin")
    held_out.tofile(folder / "val.bin")
    (folder / "meta.pkl").write_bytes(pickle.dumps({"vocab_size": len(vocabulary)}))
    return held_out


def nanogpt_output(checkout: Path, data: Path, threads: int, **settings: int) -> Iterator[str]:
    """Run nanoGPT's `train.py`; yield the lines of its output as it prints them."""
    command = [sys.executable, *NANOGPT_RECIPE, f"--dataset={data}", f"--out_dir={data}"]
    command += [f"--{name}={value}" for name, value in settings.items()]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, cwd=checkout, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield from process.stdout
    if process.returncode:
        raise RuntimeError(f"nanoGPT failed: exit code {process.returncode}")


def iteration_seconds(lines: Iterator[str]) -> float:
    """Return the median duration of an iteration after the first ten, from nanoGPT's output."""
    times = re.findall(r"^iter \d+:.* time ([\d.]+)ms", "".join(lines), re.MULTILINE)
    return statistics.median(float(milliseconds) / 1000 for milliseconds in times[10:])


def train_nanogpt(checkout: Path, data: Path, threads: int, seconds: float) -> None:
    """Train nanoGPT; keep each of its checkpoints in a file named after the wall time."""
    settings = {"max_iters": CALIBRATION, "eval_interval": 2 * CALIBRATION}
    per_iteration = iteration_seconds(nanogpt_output(checkout, data, threads, **settings))
    interval = max(1, round(seconds / per_iteration / ROWS))
    iterations = ROWS * interval
    print(f"nanoGPT: {iterations:,} iterations of {per_iteration * 1e3:.1f} ms", file=sys.stderr)
    settings = {"max_iters": iterations, "lr_decay_iters": iterations, "eval_interval": interval}
    is_saving, start = False, time.monotonic()
    for line in nanogpt_output(checkout, data, threads, always_save_checkpoint=True, **settings):
        if is_saving:  # the line after the message: the file is complete
            shutil.copy(data / "ckpt.pt", data / f"{time.monotonic() - start:07.2f}.pt")
        is_saving = line.startswith("saving checkpoint")


def nanogpt_losses(
    checkout: Path, data: Path, held_out: NDArray[np.uint16], threads: int, seconds: float
) -> Losses:
    """Return the losses of nanoGPT's checkpoints; train it unless they exist."""

    def find_checkpoints() -> list[Path]:
        return sorted(data.glob("[0-9]*.pt"))

    if len(find_checkpoints()) < ROWS:
        train_nanogpt(checkout, data, threads, seconds)
    torch.set_num_threads(threads)
    return [
        {"seconds": float(path.stem), **held_out_losses(checkout, path, held_out)}
        for path in find_checkpoints()
    ]


def train_charrnn(text: Path, run: Path, threads: int, seconds: float) -> Losses:
    """Train charrnn with `charrnn train`; return the losses of its evaluations.

    They read the first characters of the held-out part; the last loss is that of the whole part.
    """
    command = [sys.executable, "-m", "charrnn", "train", str(text), "-o", str(run)]
    command += ["--max-time", f"{seconds:.0f}s", "--threads", str(threads), "--device", "cpu"]
    losses: Losses = []
    start = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while True:
            is_finished = process.poll() is not None
            wall_time = time.monotonic() - start
            for loss in held_out_rows(run)[len(losses) :]:
                losses.append({"seconds": wall_time, "carried": loss})
            if is_finished:
                break
            time.sleep(0.5)
    if process.returncode:
        raise RuntimeError(f"charrnn failed: exit code {process.returncode}")
    corpus = text.read_text("utf-8")
    model = charrnn.load(str(run), checkpoint="last")
    losses[-1]["carried"] = charrnn.score(model, corpus[int(len(corpus) * 0.9) :]).nats_per_char
    return losses


def held_out_rows(run: Path) -> list[float]:
    """Return the held-out losses that a run has recorded so far."""
    path = run / "metrics.jsonl"
    complete = path.read_text("utf-8").rpartition("\n")[0] if path.exists() else ""
    losses = [json.loads(line)["val_loss"] for line in complete.splitlines()]
    return [loss for loss in losses if loss is not None]


def last_before(losses: Losses, seconds: float) -> dict[str, float]:
    """Return the losses of the last checkpoint within this wall time; none if there is no such."""
    return next((row for row in reversed(losses) if row["seconds"] <= seconds), {})


def print_table(nanogpt: Losses, own: Losses, seconds: float) -> None:
    """Print the losses of the last checkpoints after each eighth of the time and at the end."""

    def cell(row: dict[str, float], name: str) -> str:
        return f"{row[name]:.3f} ({nats_to_bits(row[name]):.3f})" if row else "-"

    print("| wall time, s | nanoGPT, blocks | nanoGPT, sliding | charrnn |\n|---|---|---|---|")
    times = [seconds * number / ROWS for number in range(1, ROWS)]
    for limit in (*times, max(nanogpt[-1]["seconds"], own[-1]["seconds"])):
        peer, row = last_before(nanogpt, limit), last_before(own, limit)
        cells = cell(peer, "blocks"), cell(peer, "sliding"), cell(row, "carried")
        print(f"| {limit:.0f} | {' | '.join(cells)} |")
    peer_loss, own_loss = nanogpt[-1]["sliding"], own[-1]["carried"]
    print(
        f"at the end: nanoGPT {peer_loss:.3f} nats after {nanogpt[-1]['seconds']:.0f} s, charrnn "
        f"{own_loss:.3f} nats after {own[-1]['seconds']:.0f} s, difference "
        f"{peer_loss - own_loss:.3f} nats"
    )


def main() -> None:
    """Train, evaluate and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("text", type=Path, nargs="?", default=DEFAULT_TEXT, metavar="TEXT")
    parser.add_argument("--runs", type=Path, required=True, help="folder of the results")
    parser.add_argument("--minutes", type=float, default=4)
    parser.add_argument("--threads", type=int, default=available_cores())
    parser.add_argument("--only", choices=("nanogpt", "charrnn"), help="train only this program")
    arguments = parser.parse_args()
    seconds, threads = 60 * arguments.minutes, arguments.threads
    data = arguments.runs.resolve() / "nanogpt"
    data.mkdir(parents=True, exist_ok=True)
    held_out = write_data(arguments.text.read_text("utf-8"), data)
    trainings = {
        "nanogpt": lambda: nanogpt_losses(arguments.folder, data, held_out, threads, seconds),
        "charrnn": lambda: train_charrnn(
            arguments.text, arguments.runs / "charrnn", threads, seconds
        ),
    }
    results = {name: arguments.runs / f"{name}.json" for name in trainings}
    for name, path in results.items():
        if not path.exists() and arguments.only in (None, name):
            path.write_text(json.dumps(trainings[name]()), "utf-8")
    if all(path.exists() for path in results.values()):
        losses = {name: json.loads(path.read_text("utf-8")) for name, path in results.items()}
        print(f"held-out loss in nats (bits) per character; {threads} threads")
        print_table(losses["nanogpt"], losses["charrnn"], seconds)


if __name__ == "__main__":
    main()
