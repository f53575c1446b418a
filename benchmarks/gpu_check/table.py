"""Make the table of verdicts from the logs of a check.

    python -m gpu_check.table OUTPUT

Exits with 1 if a task failed or a bar is not met. A rehearsal meets no bar.
"""

import argparse
import re
import sys
from pathlib import Path

from gpu_check.bars import BARS, Bar
from gpu_check.results import PlannedTask, Record, Result

_RESULTS_PER_LINE = 3


def read_logs(folder: Path) -> Record:
    """Read all logs of a folder."""
    record = Record()
    for path in sorted(folder.glob("*.log")):
        record.read(path.read_text("utf-8", "replace").splitlines())
    return record


def verdict(bar: Bar, record: Record) -> str:
    """Return `met`, `aim met`, `not met`, `rehearsed` or the reason why there is no result."""
    result, note = record.results.get(bar.name), describe_failure(bar.task, record)
    if result is None:
        return f"no result ({note or 'exit code 0'})"
    if record.is_rehearsal:
        word = "rehearsed"
    elif bar.is_met(result.value):
        word = "aim met" if bar.reaches_aim(result.value) else "met"
    else:
        word = "not met"
    return f"{word} ({note})" if note else word


def describe_failure(task: str, record: Record) -> str:
    """Return how a task failed; empty if it succeeded."""
    outcome = record.outcomes.get(task)
    if outcome is None:
        return "not run"
    if outcome.exit_code is None:
        planned = record.planned.get(task)
        return f"time limit of {planned.limit:g} s" if planned else "time limit"
    return f"exit code {outcome.exit_code}" if outcome.exit_code else ""


def format_number(value: float, unit: str = "") -> str:
    """Return a number with its unit, rounded for display."""
    text = f"{value:,.0f}" if abs(value) >= 1000 or value == round(value) else f"{value:.4g}"
    return f"{text} {unit}".strip()


def format_table(record: Record) -> str:
    """Return the facts, the tasks, the other results and the verdicts."""
    lines = [f"{name}: {value}" for name, value in record.facts.items()]
    lines += ["", f"{'stage':5} {'task':24} {'seconds':>8} {'limit':>6}  end"]
    lines += [
        _task_line(task, record)
        for task in sorted(record.planned.values(), key=lambda task: task.stage)
    ]
    bars = [bar for bar in BARS if bar.task in record.planned]
    names = {bar.name for bar in bars}
    others = [
        f"{name} {format_number(result.value, result.unit)}"
        for name, result in record.results.items()
        if name not in names
    ]
    lines += ["", "other results"] if others else []
    lines += [
        "; ".join(others[n : n + _RESULTS_PER_LINE])
        for n in range(0, len(others), _RESULTS_PER_LINE)
    ]
    card = record.facts.get("card", "unknown card")
    title = "REHEARSAL on a CPU: no verdicts" if record.is_rehearsal else card
    lines += ["", title, f"{'bar':50} {'measured':>20} {'limit':>12} {'aim':>11}  verdict"]
    lines += [_bar_line(bar, record) for bar in bars]
    return "\n".join(lines) + "\n"


def _task_line(task: PlannedTask, record: Record) -> str:
    outcome = record.outcomes.get(task.name)
    seconds = f"{outcome.seconds:.1f}" if outcome else "-"
    end = describe_failure(task.name, record) or "done"
    return f"{task.stage:5} {task.name:24} {seconds:>8} {task.limit:6g}  {end}"


def _bar_line(bar: Bar, record: Record) -> str:
    result: Result | None = record.results.get(bar.name)
    measured = format_number(result.value, result.unit) if result else "-"
    limit = f"{'<=' if bar.is_maximum else '>='} {format_number(bar.limit)}"
    aim = "" if bar.aim is None else format_number(bar.aim)
    return f"{bar.title:50} {measured:>20} {limit:>12} {aim:>11}  {verdict(bar, record)}"


def is_successful(record: Record) -> bool:
    """Whether every task succeeded, and every bar is met (or has a result, in a rehearsal)."""
    verdicts = [verdict(bar, record) for bar in BARS if bar.task in record.planned]
    return all(re.fullmatch("met|aim met|rehearsed", word) for word in verdicts) and all(
        not describe_failure(name, record) for name in record.planned
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("output", type=Path)
    record = read_logs(parser.parse_args().output)
    sys.stdout.write(format_table(record))
    sys.exit(not is_successful(record))


if __name__ == "__main__":
    main()
