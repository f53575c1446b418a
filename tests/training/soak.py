"""Trains for a long time while processes are killed and files are damaged, in the current folder.

    python -m tests.training.soak SECONDS SEED

Children train one run, one after the other; each is forked after the imports. Every few seconds a
random incident happens (see `INCIDENTS`). After each one, the newest intact checkpoint is read: no
more than one save interval is lost. Prints what happened, as JSON.
"""

import dataclasses
import errno
import json
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import torch

from charrnn import files
from charrnn.console.follow import follow
from charrnn.errors import CheckpointError
from charrnn.runs import metrics, saving
from charrnn.runs.find import find_run
from charrnn.runs.run import Run
from charrnn.runs.verification import verify_run
from charrnn.training.loop import resume, train
from tests.conftest import TINY_MODEL, TINY_TRAINING, VERSE
from tests.training import kill_harness
from tests.training.kill_harness import RUN

SAVE_EVERY = 20
CONFIG = dataclasses.replace(
    TINY_TRAINING,
    max_steps=10_000_000,
    patience=0,
    save_every=SAVE_EVERY,
    log_every=7,
    eval_every=100,
)
FULL_DISK = Path("disk-is-full")
INCIDENTS = ("kill", "signal", "full disk", "flipped byte", "reader")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
MAX_PAUSE = 3.0  # seconds between two incidents


class Soak:
    """The training child, and what happened to the run."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.incidents = Counter[str]()
        self.child = 0
        self.started = time.monotonic()
        self.step = 0
        """The newest step that was intact after an incident."""
        self.lost = 0
        """The largest number of saved steps that an incident cost."""
        self.samples: list[tuple[float, int, int]] = []
        """Seconds since the child's start, its memory in KiB, its number of open files."""

    def start_child(self) -> None:
        """Continue the run in a new process."""
        self.child, self.started = os.fork(), time.monotonic()
        if self.child == 0:
            code = 98
            try:
                code = train_in_child()
            finally:
                os._exit(code)
        wait_until(lambda: newest_step() > self.step or not is_running(self.child))

    def end_child(self, number: signal.Signals | None, codes: set[int]) -> None:
        """Send a signal, wait for the end of the process, and check its exit code."""
        if number is not None:
            os.kill(self.child, number)
        _, status = os.waitpid(self.child, 0)
        code = os.waitstatus_to_exitcode(status)
        assert code in codes, (code, codes, Path("log.txt").read_text("utf-8")[-2000:])
        step = newest_step()
        self.lost = max(self.lost, self.step - step)
        self.step = step
        self.start_child()

    def cause(self, incident: str) -> None:
        """Cause an incident, and check what the program does."""
        self.incidents[incident] += 1
        before = newest_step()
        self.step = max(self.step, before)
        if incident == "kill":
            self.end_child(signal.SIGKILL, {-signal.SIGKILL})
        elif incident == "signal":
            number = self.random.choice(SIGNALS)
            self.end_child(number, {128 + number})
        elif incident == "full disk":
            FULL_DISK.touch()
            wait_until(lambda: not is_running(self.child))
            FULL_DISK.unlink()
            self.end_child(None, {1})
        elif incident == "flipped byte":
            self.flip_byte()
            self.end_child(signal.SIGKILL, {-signal.SIGKILL})
        else:
            assert find_run(str(RUN)).select("best").load("model")
            verify_run(Run.open(RUN))
        assert newest_step() >= before - SAVE_EVERY, (incident, before, newest_step())

    def flip_byte(self) -> None:
        """Change one bit of a file of the newest checkpoint, after the process was stopped."""
        os.kill(self.child, signal.SIGSTOP)
        folder = Run.open(RUN).select("last").path
        path = self.random.choice(sorted(file for file in folder.iterdir() if file.stat().st_size))
        data = bytearray(path.read_bytes())
        data[self.random.randrange(len(data))] ^= 1 << self.random.randrange(8)
        path.write_bytes(data)
        assert newest_step() < int(folder.name.removeprefix("step-")), path

    def take_sample(self) -> None:
        """Measure the memory and the number of open files of the child."""
        folder = Path(f"/proc/{self.child}")
        pages = int((folder / "statm").read_text("ascii").split()[1])
        kib = pages * os.sysconf("SC_PAGESIZE") // 1024
        age = time.monotonic() - self.started
        self.samples.append((age, kib, len(os.listdir(folder / "fd"))))


def train_in_child() -> int:
    """Train until a signal or an error ends the process; return the exit code."""
    log = os.open("log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream, descriptor in enumerate((os.open(os.devnull, os.O_RDONLY), log, log)):
        os.dup2(descriptor, stream)
    fail_on_full_disk()
    try:
        if (RUN / "config.json").exists():
            return follow(lambda progress, stop: resume(str(RUN), progress=progress, stop=stop))
        return follow(
            lambda progress, stop: train(
                "verse.txt", CONFIG, TINY_MODEL, out_dir=RUN, progress=progress, stop=stop
            )
        )
    except (CheckpointError, OSError) as error:
        print(error, flush=True)
        return 1


def fail_on_full_disk() -> None:
    """Let every write fail in the middle while the file `FULL_DISK` exists."""
    original_append = metrics.append_row

    def write_synced(path: Path, data: bytes) -> None:
        with path.open("wb") as file:
            file.write(data[: len(data) // 2])
            if FULL_DISK.exists():
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            file.write(data[len(data) // 2 :])
            files.sync_file(file)

    def append_row(path: Path, row: dict[str, Any]) -> None:
        if FULL_DISK.exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        original_append(path, row)

    files.write_synced = saving.write_synced = write_synced  # type: ignore[attr-defined]
    metrics.append_row = append_row


def newest_step() -> int:
    """Return the step of the newest checkpoint, after all of it was read; 0 without one."""
    try:
        return kill_harness.newest_step()
    except CheckpointError as error:
        if "training stopped before the first" in str(error):
            return 0
        raise


def is_running(process_id: int) -> bool:
    """Return whether a child has not ended yet."""
    state = Path(f"/proc/{process_id}/stat").read_text("ascii").rpartition(")")[2].split()[0]
    return state != "Z"


def wait_until(condition: Any) -> None:
    """Wait until a condition holds, at most a minute."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, Path("log.txt").read_text("utf-8")[-2000:]
        time.sleep(0.02)


def main(seconds: float, seed: int) -> None:
    """Train for a number of seconds; print the result."""
    torch.set_num_threads(1)
    Path("verse.txt").write_text(VERSE * 6, encoding="utf-8")
    short = dataclasses.replace(CONFIG, max_steps=11)
    for _ in train("verse.txt", short, TINY_MODEL, out_dir="first"):
        pass
    assert threading.active_count() == 1, "a fork copies no threads"
    soak, end = Soak(seed), time.monotonic() + seconds
    soak.start_child()
    bag = list[str]()
    while time.monotonic() < end or bag:
        bag = bag or soak.random.sample(INCIDENTS, len(INCIDENTS))  # all occur equally often
        time.sleep(soak.random.uniform(0, MAX_PAUSE))
        soak.take_sample()
        soak.cause(bag.pop())
    os.kill(soak.child, signal.SIGTERM)
    os.waitpid(soak.child, 0)
    result = {name: getattr(soak, name) for name in ("incidents", "lost", "samples")}
    print(json.dumps({**result, "step": newest_step()}))


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]))
