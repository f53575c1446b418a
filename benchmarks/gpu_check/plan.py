"""The tasks of all stages, their time limits and their order.

Stages 0 to 6 take at most 7 minutes, stages 7 to 11 at most 4. Tasks that measure no time run in
groups; other tasks run alone.
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
_REHEARSAL_FACTOR = 4  # rehearsals run on a few busy cores


def parse_stages(words: Sequence[str]) -> set[int]:
    """Return the stages of numbers and ranges such as 7-11; raise `ValueError` for other words."""
    stages: set[int] = set()
    for word in words:
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", word)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not first <= last <= LAST_STAGE:
            raise ValueError(f"{word} is not a stage or a range: stages are 0 to {LAST_STAGE}")
        stages.update(range(first, last + 1))
    return stages


def plan_tasks(text: Path, wheels: Sequence[Path], site: Path, rehearse: bool) -> list[Task]:
    """Return the tasks of all stages in order; the wheels are installed into `site`."""

    def program(arguments: str, *paths: object) -> tuple[str, ...]:
        module, *words = arguments.split()
        flags = ["--rehearse"] if rehearse else []
        return (sys.executable, "-m", f"gpu_check.{module}", *words, *map(str, paths), *flags)

    def single(name: str, stage: int, limit: float, log: str, command: tuple[str, ...]) -> Task:
        return Task(name, stage, name, command, limit, log)

    tasks = [
        single("wheels", 0, 15, "environment.log", _install(wheels, site)),
        single("environment", 0, 15, "environment.log", program("environment")),
        *(
            Task(f"kernel-{dtype}", 1, "kernel", program(f"kernel check {dtype}"), 40, "kernel.log")
            for dtype in DTYPES
        ),
        Task("kernel-repeats", 2, "kernel", program("kernel repeat"), 40, "kernel.log"),
        Task("resume", 5, "checks", program("resume", text), 80, "training.log"),
        Task("same-text", 6, "checks", program("sampling --same-text"), 40, "sampling.log"),
        Task("gpu-tests", 8, "checks", program("tools tests"), 90, "checks.log"),
        *(
            single(
                f"layers-{streams}x{steps}", 3, 18, "kernel.log", _layers(streams, steps, rehearse)
            )
            for streams, steps in (_SMALL_SHAPES if rehearse else _SHAPES)
        ),
        single("steps", 4, 45, "steps.log", program("steps", text)),
        single("steps-cudnn", 4, 30, "steps.log", program("steps --cudnn", text)),
        Task("training", 5, "training", program("training", text), 100, "training.log", True),
        single("sampling", 6, 35, "sampling.log", program("sampling")),
        single("profile", 7, 25, "steps.log", program("steps --profile", text)),
        *(
            Task(tool, SANITIZER_STAGE, "sanitizer", program(f"tools {tool}"), 40, "checks.log")
            for tool in ("memcheck", "racecheck")
        ),
        single("ncu", 10, 35, "checks.log", program("tools ncu")),
        single("bench", 11, 50, "bench.log", program("tools bench")),
        single("bench-cpu", 12, 60, "bench.log", program("tools bench --device cpu")),
    ]
    factor = _REHEARSAL_FACTOR if rehearse else 1
    return [
        replace(task, limit=factor * task.limit)
        for task in tasks
        if wheels or task.name != "wheels"
    ]


def _install(wheels: Sequence[Path], site: Path) -> tuple[str, ...]:
    flags = ["-q", "--no-index", "--no-deps", "--no-compile", "--no-cache-dir", "--target"]
    return (sys.executable, "-m", "pip", "install", *flags, str(site), *map(str, wheels))


def _layers(streams: int, steps: int, rehearse: bool) -> tuple[str, ...]:
    shape = f"--streams {streams} --steps {steps} --rounds 15"
    small = "--device cpu --hidden 32 --layers 2 --rounds 3 --square 256" if rehearse else ""
    program = str(_ROOT / "benchmarks" / "persistent.py")
    return (sys.executable, program, *shape.split(), *small.split())


def group_tasks(tasks: Iterable[Task]) -> list[list[Task]]:
    """Return the groups of tasks that run at the same time, in order."""
    return [list(group) for _, group in groupby(tasks, key=lambda task: task.group)]


def total_limit(groups: Iterable[Sequence[Task]]) -> float:
    """Return the time limit of groups that run one after another, in seconds."""
    return sum(max(task.limit for task in group) for group in groups)
