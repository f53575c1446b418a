"""Stage 5: stop a run of the default network at each of ten steps, resume it, compare all bits.

python -m gpu_check.resume TEXT
"""

import argparse
import json
import os
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, Literal

import numpy as np
from timing import replaced

from charrnn.config.model import ModelConfig
from charrnn.config.training import DeviceName, TrainConfig
from charrnn.data.corpus import Corpus
from charrnn.runs.run import Run
from charrnn.training import budget_plan
from charrnn.training.events import Step
from charrnn.training.loop import resume, train
from gpu_check.bars import RESUMES
from gpu_check.results import print_result
from gpu_check.stand_ins import device_name, use_graph_steps

_CHARACTERS = 100_000  # characters of the text that are used; a short text is evaluated fast
_ROW_EVERY = 3  # steps between two rows of metrics; not a divisor of the steps between stops
_STOP_EVERY = 4
_TIMINGS = ("seconds", "characters_per_second")
_PARTS: tuple[Literal["model"], Literal["trainer"]] = ("model", "trainer")


def make_config(device: DeviceName, threads: int | None) -> TrainConfig:
    """Return the default settings for tinyshakespeare, with few steps."""
    return TrainConfig(
        batch_size=32,
        seq_length=64,
        dropout=0.3,
        output_dropout=0.4,
        weight_drop=0.4,
        device=device,
        threads=threads,
        max_steps=_STOP_EVERY * (RESUMES + 1),
        eval_every=_STOP_EVERY * (RESUMES + 1) // 2,
        log_every=_ROW_EVERY,
    )


def read_outcome(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the arrays of the last checkpoint, and the rows of metrics without timings."""
    checkpoint = Run.open(path).select("last")
    arrays = {
        f"{part} {name}": array for part in _PARTS for name, array in checkpoint.load(part).items()
    }
    rows = [json.loads(row) for row in (path / "metrics.jsonl").read_text("utf-8").splitlines()]
    return arrays, [
        {key: value for key, value in row.items() if key not in _TIMINGS} for row in rows
    ]


def find_differences(path: Path, expected: Path) -> list[str]:
    """Return the names of the arrays that differ between two runs, and `metrics` if rows differ."""
    (arrays, rows), (expected_arrays, expected_rows) = read_outcome(path), read_outcome(expected)
    names = sorted(arrays.keys() | expected_arrays.keys())
    different = [
        name
        for name in names
        if name not in arrays
        or name not in expected_arrays
        or np.asarray(arrays[name]).tobytes() != np.asarray(expected_arrays[name]).tobytes()
    ]
    return different + (["metrics"] if rows != expected_rows else [])


def stop_and_resume(
    text: Corpus, config: TrainConfig, model: ModelConfig, path: Path, step: int
) -> int:
    """Train, stop after `step`, resume to the end; return the step at which the run stopped."""
    stop, last = threading.Event(), 0
    with replaced(budget_plan, _CALL_SECONDS=0.0):  # one step per call
        for event in train(text, config, model, out_dir=path, stop=stop):
            if isinstance(event, Step):
                last = event.step
                if last >= step:
                    stop.set()
    for _ in resume(str(path)):
        pass
    return last


def main() -> None:
    """Compare ten resumed runs with an uninterrupted run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("text", type=Path)
    parser.add_argument("--rehearse", action="store_true")
    options = parser.parse_args()
    model, characters = ModelConfig(), _CHARACTERS
    if options.rehearse:
        model, characters = ModelConfig(num_layers=2, hidden_size=16), 10_000
    content = options.text.read_text("utf-8")[:characters]
    config = make_config(device_name(options.rehearse), 1 if options.rehearse else None)
    identical = 0
    with tempfile.TemporaryDirectory() as folder, use_graph_steps(options.rehearse):
        os.chdir(folder)
        Path("text.txt").write_text(content, "utf-8")
        text = Corpus.open("text.txt")
        for _ in train(text, config, model, out_dir="whole"):
            pass
        for number in range(1, RESUMES + 1):
            path = Path(f"stopped-{number}")
            last = stop_and_resume(text, config, model, path, number * _STOP_EVERY)
            different = find_differences(path, Path("whole"))
            identical += not different
            print(f"stopped at step {last}: {different or 'identical'}")
            print_result("resume-identical", identical, f"of {RESUMES} steps")
    sys.exit(identical < RESUMES)


if __name__ == "__main__":
    main()
