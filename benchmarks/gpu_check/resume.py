"""Stage 5: a run of the default network that is stopped at ten steps and resumed, bit for bit.

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
from gpu_check.stand_ins import device_name, graphed_steps

_CHARACTERS = 100_000  # of the text; fewer make the evaluations short
_EVERY = 3  # steps between two rows of metrics; stops are not only where rows are due
_STOP_EVERY = 4
_TIMINGS = ("seconds", "characters_per_second")
_PARTS: tuple[Literal["model"], Literal["trainer"]] = ("model", "trainer")


def settings(device: DeviceName, threads: int | None) -> TrainConfig:
    """Return the settings of tinyshakespeare, for few steps."""
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
        log_every=_EVERY,
    )


def outcome(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the arrays of the last checkpoint, and the rows of metrics without timings."""
    checkpoint = Run.open(path).select("last")
    arrays = {
        f"{part} {name}": array for part in _PARTS for name, array in checkpoint.load(part).items()
    }
    rows = [json.loads(row) for row in (path / "metrics.jsonl").read_text("utf-8").splitlines()]
    return arrays, [{k: v for k, v in row.items() if k not in _TIMINGS} for row in rows]


def differences(path: Path, expected: Path) -> list[str]:
    """Return the names of what differs between two runs."""
    (arrays, rows), (expected_arrays, expected_rows) = outcome(path), outcome(expected)
    names = sorted(arrays.keys() | expected_arrays.keys())
    different = [
        name
        for name in names
        if name not in arrays
        or name not in expected_arrays
        or np.asarray(arrays[name]).tobytes() != np.asarray(expected_arrays[name]).tobytes()
    ]
    return different + (["metrics"] if rows != expected_rows else [])


def stopped_and_resumed(
    text: Corpus, config: TrainConfig, model: ModelConfig, path: Path, step: int
) -> int:
    """Train until a step, resume to the end; return the step at which the run was stopped."""
    stop, last = threading.Event(), 0
    with replaced(budget_plan, _CALL_SECONDS=0.0):  # one step in each call, so that it stops there
        for event in train(text, config, model, out_dir=path, stop=stop):
            if isinstance(event, Step):
                last = event.step
                if last >= step:
                    stop.set()
    for _ in resume(str(path)):
        pass
    return last


def main() -> None:
    """Compare ten resumed runs with the uninterrupted one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("text", type=Path)
    parser.add_argument("--rehearse", action="store_true")
    options = parser.parse_args()
    model, characters = ModelConfig(), _CHARACTERS
    if options.rehearse:
        model, characters = ModelConfig(num_layers=2, hidden_size=16), 10_000
    content = options.text.read_text("utf-8")[:characters]
    config = settings(device_name(options.rehearse), 1 if options.rehearse else None)
    identical = 0
    with tempfile.TemporaryDirectory() as folder, graphed_steps(options.rehearse):
        os.chdir(folder)
        Path("text.txt").write_text(content, "utf-8")
        text = Corpus.open("text.txt")
        for _ in train(text, config, model, out_dir="whole"):
            pass
        for number in range(1, RESUMES + 1):
            path = Path(f"stopped-{number}")
            last = stopped_and_resumed(text, config, model, path, number * _STOP_EVERY)
            different = differences(path, Path("whole"))
            identical += not different
            print(f"stopped at step {last}: {different or 'identical'}")
            print_result("resume-identical", identical, f"of {RESUMES} steps")
    sys.exit(identical < RESUMES)


if __name__ == "__main__":
    main()
