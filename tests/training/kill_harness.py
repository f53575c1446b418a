"""Trains in child processes and ends each one with a signal, in the current folder.

    python -m tests.training.kill_harness KILLS SIGNAL SEED

Each child is forked after the imports and continues the run of the child before it. The signal ends
it at a random time after its first step. Prints what happened to each child, as JSON.
"""

import dataclasses
import json
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import torch

from charrnn.console.follow import follow
from charrnn.runs.run import Run
from charrnn.training.events import Step
from charrnn.training.loop import resume, train
from tests.conftest import TINY_MODEL, TINY_TRAINING, VERSE

SAVE_EVERY = 3
MAX_DELAY = 0.3  # seconds from the first step of a child to the signal
CONFIG = dataclasses.replace(TINY_TRAINING, max_steps=100_000, patience=0, save_every=SAVE_EVERY)
RUN = Path("run")


def train_in_child(pipe: int, *, with_console: bool) -> int:
    """Train until a signal ends the process; write the number of each step to the pipe."""

    def report_steps(progress: Any, stop: Any) -> Any:
        is_new = not (RUN / "config.json").exists()
        events = (
            train("verse.txt", CONFIG, TINY_MODEL, out_dir=RUN, progress=progress, stop=stop)
            if is_new
            else resume(str(RUN), progress=progress, stop=stop)
        )
        for event in events:
            if isinstance(event, Step):
                os.write(pipe, b"%d\n" % event.step)
            yield event

    if with_console:
        for stream in (0, 1, 2):
            os.dup2(os.open(os.devnull, os.O_RDWR), stream)
        return follow(report_steps)
    for _ in report_steps(None, None):
        pass
    return 0


def newest_step() -> int:
    """Return the step of the newest checkpoint, after all of it was read; 0 without a run."""
    if not (RUN / "config.json").exists():
        return 0
    checkpoint = Run.open(RUN).select("last", ("model", "trainer"))
    checkpoint.load("model")
    checkpoint.load("trainer")
    return checkpoint.step


def run_and_signal(number: signal.Signals, delay: float) -> dict[str, int]:
    """Train in a child, send it the signal after a delay, and return what happened."""
    before = newest_step()
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read_end)
        code = 98
        try:
            code = train_in_child(write_end, with_console=number != signal.SIGKILL)
        finally:
            os._exit(code)
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        first = int(pipe.readline())
        time.sleep(delay)
        os.kill(pid, number)
        signal_time = time.monotonic()
        steps = [first, *map(int, pipe.read().split())]
    _, status = os.waitpid(pid, 0)
    return {
        "before": before,
        "first": first,
        "last": steps[-1],
        "after": newest_step(),
        "code": os.waitstatus_to_exitcode(status),
        "milliseconds": round(1000 * (time.monotonic() - signal_time)),
    }


def main(kills: int, number: signal.Signals, seed: int) -> None:
    """Train once, so that all modules are loaded before a fork; then signal `kills` children."""
    torch.set_num_threads(1)
    Path("verse.txt").write_text(VERSE * 6, encoding="utf-8")
    short = dataclasses.replace(CONFIG, max_steps=11)
    for _ in train("verse.txt", short, TINY_MODEL, out_dir="first"):
        pass
    assert "torch._dynamo" not in sys.modules, "its import takes more than a second"
    assert threading.active_count() == 1, "a fork copies no threads"
    generator = random.Random(seed)
    children = [run_and_signal(number, generator.uniform(0, MAX_DELAY)) for _ in range(kills)]
    print(json.dumps({"children": children, "save_every": SAVE_EVERY}))


if __name__ == "__main__":
    main(int(sys.argv[1]), signal.Signals(int(sys.argv[2])), int(sys.argv[3]))
