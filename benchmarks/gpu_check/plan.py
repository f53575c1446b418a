"""The tasks of all stages, their time limits and their order.

Stages 0 to 6 take at most 7 minutes, stages 7 to 11 at most 4. Tasks that time nothing run in
groups, timings alone.
"""

import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from gpu_check.bars import DTYPES
from gpu_check.runner import Task

LAST_STAGE = 12
DEFAULT_STAGES = ("0-6",)
SANITIZER_STAGE = 9
_ROOT = Path(__file__).parents[2]
_SHAPES = ((128, 128), (128, 64), (32, 64))  # streams, steps
_SMALL_SHAPES = ((4, 8),)
_REHEARSAL_FACTOR = 4  # rehearsals run on a few busy cores, and time nothing


def parse_stages(words: Sequence[str]) -> set[int]:
    """Return the stages that numbers and ranges such as 7-11 name; raise `ValueError`."""
    stages: set[int] = set()
    for word in words:
        named = re.fullmatch(r"(\d+)(?:-(\d+))?", word)
        first, last = (int(named[1]), int(named[2] or named[1])) if named else (1, 0)
        if not first <= last <= LAST_STAGE:
            raise ValueError(f"{word} is not a stage or a range: stages are 0 to {LAST_STAGE}")
        stages.update(range(first, last + 1))
    return stages


def plan_tasks(text: Path, wheels: Sequence[Path], site: Path, rehearse: bool) -> list[Task]:
    """Return the tasks of all stages in their order; `site` is the folder for wheels."""
    flags = ("--rehearse",) if rehearse else ()

    def program(module: str, *arguments: object) -> tuple[str, ...]:
        return (sys.executable, "-m", f"gpu_check.{module}", *map(str, arguments), *flags)

    def timed(name: str, stage: int, limit: float, log: str, command: tuple[str, ...]) -> Task:
        return Task(name, stage, name, command, limit, log)

    install: tuple[str, ...] = (
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-index",
        "--no-deps",
    )
    install += ("--no-compile", "--no-cache-dir", "--target", str(site), *map(str, wheels))
    tasks = [timed("wheels", 0, 15, "environment.log", install)] if wheels else []
    tasks += [timed("environment", 0, 15, "environment.log", program("environment"))]
    tasks += [
        Task(f"kernel-{dtype}", 1, "kernel", program("kernel", "check", dtype), 40, "kernel.log")
        for dtype in DTYPES
    ]
    tasks += [Task("kernel-repeats", 2, "kernel", program("kernel", "repeat"), 40, "kernel.log")]
    checks = (
        ("resume", 5, 50, "training.log", program("resume", text)),
        ("same-text", 6, 40, "sampling.log", program("sampling", "--same-text")),
        ("gpu-tests", 8, 90, "checks.log", program("tools", "tests")),
    )
    tasks += [
        Task(name, stage, "checks", command, limit, log)
        for name, stage, limit, log, command in checks
    ]
    for streams, steps in _SMALL_SHAPES if rehearse else _SHAPES:
        tasks.append(
            timed(
                f"layers-{streams}x{steps}", 3, 18, "kernel.log", _layers(streams, steps, rehearse)
            )
        )
    tasks += [
        timed("steps", 4, 35, "steps.log", program("steps", text)),
        timed("steps-cudnn", 4, 25, "steps.log", program("steps", text, "--cudnn")),
        Task("training", 5, "training", program("training", text), 140, "training.log", True),
        timed("sampling", 6, 45, "sampling.log", program("sampling")),
        timed("profile", 7, 25, "steps.log", program("steps", text, "--profile")),
        *(
            Task(tool, SANITIZER_STAGE, "sanitizer", program("tools", tool), 40, "checks.log")
            for tool in ("memcheck", "racecheck")
        ),
        timed("ncu", 10, 35, "checks.log", program("tools", "ncu")),
        timed("bench", 11, 50, "bench.log", program("tools", "bench")),
        timed("bench-cpu", 12, 60, "bench.log", program("tools", "bench", "--device", "cpu")),
    ]
    if rehearse:
        return [replace(task, limit=_REHEARSAL_FACTOR * task.limit) for task in tasks]
    return tasks


def _layers(streams: int, steps: int, rehearse: bool) -> tuple[str, ...]:
    command: tuple[str, ...] = (sys.executable, str(_ROOT / "benchmarks" / "persistent.py"))
    command += ("--streams", str(streams), "--steps", str(steps))
    small = (
        "--device",
        "cpu",
        "--hidden",
        "32",
        "--layers",
        "2",
        "--rounds",
        "3",
        "--square",
        "256",
    )
    return command + (small if rehearse else ())


def groups_of(tasks: Iterable[Task]) -> list[list[Task]]:
    """Return the tasks that run at the same time, in order."""
    return [list(group) for _, group in groupby(tasks, key=lambda task: task.group)]


def limit_of(groups: Iterable[Sequence[Task]]) -> float:
    """Return the seconds that groups take at most, one after another."""
    return sum(max(task.limit for task in group) for group in groups)
