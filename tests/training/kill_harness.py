"""Children that train and are killed, in an empty folder.

    python -m tests.training.kill_harness KILLS SIGNAL SEED

Each is forked after the imports, goes on with the run that the one before left, and is ended by the
signal at a random moment once it has taken a step. Prints what was found out, as JSON.
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
LONGEST = 0.3  # seconds that a child trains after its first step
CONFIG = dataclasses.replace(TINY_TRAINING, max_steps=100_000, patience=0, save_every=SAVE_EVERY)
RUN = Path("run")


def child(out: int, gentle: bool) -> int:
    """Train until ended; tell each step."""

    def told(progress: Any, stop: Any) -> Any:
        new = not (RUN / "config.json").exists()
        events = (
            train("verse.txt", CONFIG, TINY_MODEL, out_dir=RUN, progress=progress, stop=stop)
            if new
            else resume(str(RUN), progress=progress, stop=stop)
        )
        for event in events:
            if isinstance(event, Step):
                os.write(out, b"%d\n" % event.step)
            yield event

    if gentle:
        for stream in (0, 1, 2):
            os.dup2(os.open(os.devnull, os.O_RDWR), stream)
        return follow(told)
    for _ in told(None, None):
        pass
    return 0


def newest() -> int:
    """Return the step of the newest checkpoint, after reading all of it."""
    if not (RUN / "config.json").exists():
        return 0
    checkpoint = Run.open(RUN).select("last", ("model", "trainer"))
    checkpoint.load("model")
    checkpoint.load("trainer")
    return checkpoint.step


def end_one(number: signal.Signals, rest: float) -> dict[str, int]:
    """Have a child train, end it after a moment, and look at what is left."""
    before = newest()
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        code = 98
        try:
            code = child(write, gentle=number != signal.SIGKILL)
        finally:
            os._exit(code)
    os.close(write)
    with os.fdopen(read) as steps:
        first = int(steps.readline())
        time.sleep(rest)
        os.kill(pid, number)
        sent = time.monotonic()
        told = [first, *map(int, steps.read().split())]
    _, status = os.waitpid(pid, 0)
    return {
        "before": before,
        "first": first,
        "last": told[-1],
        "after": newest(),
        "code": os.waitstatus_to_exitcode(status),
        "milliseconds": round(1000 * (time.monotonic() - sent)),
    }


def main(kills: int, number: signal.Signals, seed: int) -> None:
    """Train once, so that children have nothing to load, then end so many of them."""
    torch.set_num_threads(1)
    Path("verse.txt").write_text(VERSE * 6, encoding="utf-8")
    short = dataclasses.replace(CONFIG, max_steps=11)
    for _ in train("verse.txt", short, TINY_MODEL, out_dir="first"):
        pass
    assert threading.active_count() == 1, "a fork copies no threads"
    random_ = random.Random(seed)
    found = [end_one(number, random_.uniform(0, LONGEST)) for _ in range(kills)]
    print(json.dumps({"found": found, "save_every": SAVE_EVERY}))


if __name__ == "__main__":
    main(int(sys.argv[1]), signal.Signals(int(sys.argv[2])), int(sys.argv[3]))
