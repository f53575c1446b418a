"""The lines that tasks print and that the table reads: RESULT, FACT, PLAN and TASK.

RESULT training-32x64 624000 char/s
FACT card NVIDIA H100 80GB HBM3
PLAN {"name": "environment", "stage": 0, ...}    a task that will run
TASK {"name": "environment", "exit_code": 0, ...}    a task that has ended
"""

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class Result:
    """A measured number; NaN if the measurement failed."""

    value: float
    unit: str


@dataclass(frozen=True)
class PlannedTask:
    """A task that was selected, with its time limit in seconds."""

    name: str
    stage: int
    limit: float
    rehearsed: bool


@dataclass(frozen=True)
class Outcome:
    """How a task ended; `exit_code` is None if it reached its time limit or was interrupted."""

    name: str
    exit_code: int | None
    seconds: float


@dataclass
class Record:
    """The contents of the logs of a check; the last of several lines with the same name counts."""

    results: dict[str, Result] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    planned: dict[str, PlannedTask] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def read(self, lines: Iterable[str]) -> None:
        """Add the lines of a log; ignore lines of other kinds and incomplete lines."""
        for line in lines:
            kind, _, rest = line.strip().partition(" ")
            words = rest.split(maxsplit=2)
            try:
                if kind == "RESULT" and len(words) == 3:
                    self.results[words[0]] = Result(float(words[1]), words[2])
                elif kind == "FACT" and len(words) >= 2:
                    self.facts[words[0]] = rest.partition(" ")[2]
                elif kind == "PLAN":
                    planned = PlannedTask(**json.loads(rest))
                    self.planned[planned.name] = planned
                elif kind == "TASK":
                    outcome = Outcome(**json.loads(rest))
                    self.outcomes[outcome.name] = outcome
            except (ValueError, TypeError):
                continue

    @property
    def is_rehearsal(self) -> bool:
        """Whether stand-ins were measured instead of a GPU."""
        return any(task.rehearsed for task in self.planned.values())


def print_result(name: str, value: float, unit: str) -> None:
    """Print a RESULT line."""
    number = f"{value:.6g}" if math.isfinite(value) else "nan"
    print(f"RESULT {name} {number} {unit}", flush=True)


def print_fact(name: str, value: object) -> None:
    """Print a FACT line."""
    print(f"FACT {name} {value}", flush=True)


def record_line(item: PlannedTask | Outcome) -> str:
    """Return the PLAN or TASK line of an item."""
    return f"{'PLAN' if isinstance(item, PlannedTask) else 'TASK'} {json.dumps(asdict(item))}\n"
