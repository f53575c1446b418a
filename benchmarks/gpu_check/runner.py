"""Run tasks, each in a process with a time limit. The tasks of a group run at the same time."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from gpu_check.results import Outcome, PlannedTask, record_line

_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Task:
    """A command, the stage that it belongs to, its time limit in seconds and its log file.

    Tasks of the same group run at the same time. `new_cache` gives the command an empty cache.
    """

    name: str
    stage: int
    group: str
    command: tuple[str, ...]
    limit: float
    log: str
    new_cache: bool = False


@dataclass
class _Running:
    task: Task
    process: subprocess.Popen[bytes]
    output: IO[bytes]
    start: float
    seconds: float = 0.0
    is_stopped: bool = False

    def poll(self) -> bool:
        """Return whether the process has ended; kill it if it has reached its time limit."""
        if self.process.poll() is None and time.monotonic() - self.start > self.task.limit:
            self.is_stopped = True
            kill_group(self.process)
        if self.process.poll() is None:
            return False
        self.seconds = self.seconds or time.monotonic() - self.start
        return True


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all processes that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class Runner:
    """Run groups of tasks, and append their output to logs in the folder `output`.

    `scratch` is a folder for temporary files. The logs of a rehearsal are marked as such.
    """

    def __init__(
        self, output: Path, scratch: Path, environment: dict[str, str], rehearsed: bool = False
    ) -> None:
        self._output, self._scratch, self._rehearsed = output, scratch, rehearsed
        self.environment = environment

    def plan(self, tasks: Sequence[Task]) -> None:
        """Write a PLAN line for each task that will run."""
        for task in tasks:
            planned = PlannedTask(task.name, task.stage, task.limit, self._rehearsed)
            self._append(task.log, record_line(planned).encode())

    def run(self, tasks: Sequence[Task]) -> list[Outcome]:
        """Run tasks at the same time; return how they ended. Write the logs even if interrupted."""
        running = [self._start(task) for task in tasks]
        outcomes = []
        try:
            unfinished = list(running)
            while unfinished:
                time.sleep(_POLL_SECONDS)
                ended = [item for item in unfinished if item.poll()]
                unfinished = [item for item in unfinished if item not in ended]
                outcomes += [self._finish(item) for item in ended]
        finally:
            for item in running:
                if not item.output.closed:
                    item.is_stopped = True
                    self._finish(item)
        return outcomes

    def _start(self, task: Task) -> _Running:
        folder = self._scratch / task.name
        folder.mkdir(parents=True, exist_ok=True)
        environment = {**self.environment, "TMPDIR": str(folder)}
        cache = folder / "cache" if task.new_cache else self._scratch / "cache"
        environment["XDG_CACHE_HOME"] = str(cache)
        output = (folder / "output").open("wb")
        process = subprocess.Popen(
            task.command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        return _Running(task, process, output, time.monotonic())

    def _finish(self, item: _Running) -> Outcome:
        """Append the output of a task and its TASK line to its log."""
        kill_group(item.process)  # the command may have left processes behind
        item.output.close()
        task, code = item.task, item.process.returncode
        seconds = item.seconds or time.monotonic() - item.start
        outcome = Outcome(task.name, None if item.is_stopped else code, round(seconds, 1))
        folder = self._scratch / task.name
        title = f"\n== {task.name}: {' '.join(task.command)}\n".encode()
        text = (folder / "output").read_bytes()
        self._append(task.log, title + text.rstrip(b"\n") + b"\n" + record_line(outcome).encode())
        shutil.rmtree(folder, ignore_errors=True)
        print(f"{task.name}: {_end(outcome)} after {outcome.seconds} s", flush=True)
        return outcome

    def _append(self, log: str, text: bytes) -> None:
        with (self._output / log).open("ab") as file:
            file.write(text)


def _end(outcome: Outcome) -> str:
    return "time limit" if outcome.exit_code is None else f"exit code {outcome.exit_code}"
