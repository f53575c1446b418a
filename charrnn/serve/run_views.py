"""Runs as JSON: their settings, losses, generated texts, and what is new while they are trained."""

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

from charrnn.console.run_facts import format_run_facts
from charrnn.errors import CharrnnError, CheckpointError
from charrnn.runs.curves import count_characters_read
from charrnn.runs.metrics import read_rows
from charrnn.runs.progress import Progress
from charrnn.runs.run import Run
from charrnn.runs.saving import is_locked
from charrnn.runs.summary import summarize_run
from charrnn.serve.api_errors import ApiError
from charrnn.serve.served_runs import ServedRuns
from charrnn.serve.stopping import Stopping

_MAX_ROWS, _MAX_PREVIEWS = 2_000, 50
_RECENT_ROWS = 20  # that give the speed of training
_POLL_SECONDS = 1.0
_STOP_CHECKS = 4  # between two polls, whether the server is being stopped
_COMMENT_SECONDS = 15.0  # between two comments that keep a connection open

Json = dict[str, Any]


def list_runs(runs: ServedRuns) -> list[Json]:
    """Describe all runs that can be read."""
    described = []
    for name in runs.paths():
        try:
            run = runs.open(name)
            described.append(_describe(name, run, read_rows(run.metrics_path), _read_progress(run)))
        except (ApiError, CheckpointError, OSError):
            continue  # damaged, or removed meanwhile
    return described


def describe_in_full(name: str, run: Run) -> Json:
    """Return a description with the settings, the losses and the generated texts."""
    rows, progress = read_rows(run.metrics_path), _read_progress(run)
    config, budget, eval_every = run.config, run.config.training.limits, None
    if progress:
        config, budget = progress.current_config(config), progress.budget
        eval_every = progress.eval_every
    return _describe(name, run, rows, progress) | {
        "settings": [
            list(fact) for fact in format_run_facts(config, budget, eval_every=eval_every)
        ],
        "rows": [_format_row(row, run) for row in _thin_out(rows)],
        "previews": _list_previews(rows)[-_MAX_PREVIEWS:],
    }


def _describe(name: str, run: Run, rows: Sequence[Json], progress: Progress | None) -> Json:
    """Return the keys of `charrnn info --json`, with names in place of paths, and the progress."""
    facts: Json = dataclasses.asdict(summarize_run(run))
    parent = name.rpartition("/")[0] or None
    teachers = [f"{name}/{teacher['run'].rpartition('/')[2]}" for teacher in facts["teachers"]]
    return facts | {
        "run": name,
        "parent": parent,
        "teachers": teachers,
        "last_row": _format_row(rows[-1], run) if rows else None,
        **_describe_progress(is_locked(run.path), rows, progress),
    }


def _read_progress(run: Run) -> Progress | None:
    """Return the progress of the newest checkpoint, None if there is none."""
    checkpoints = run.checkpoints()
    return Progress.from_checkpoint(checkpoints[-1]) if checkpoints else None


async def follow(run: Run, after: int, stopping: Stopping) -> AsyncIterator[bytes]:
    """Yield server-sent events with what is new after a step, until the client disconnects."""
    version, waited = None, 0.0
    while not stopping.is_set():
        if version != (version := _find_version(run)):
            event, after = await asyncio.to_thread(_describe_changes, run, after, version[0])
            yield f"data: {json.dumps(event)}\n\n".encode()
            waited = 0.0
        elif waited >= _COMMENT_SECONDS:
            yield b": no change\n\n"
            waited = 0.0
        for _ in range(_STOP_CHECKS):
            if not stopping.is_set():
                await asyncio.sleep(_POLL_SECONDS / _STOP_CHECKS)
        waited += _POLL_SECONDS


def _find_version(run: Run) -> tuple[bool, tuple[int, int] | None]:
    """Return whether a run is being trained, and what changes if its metrics change."""
    try:
        status = run.metrics_path.stat()
    except OSError:
        return is_locked(run.path), None
    return is_locked(run.path), (status.st_mtime_ns, status.st_size)


def _describe_changes(run: Run, after: int, is_training: bool) -> tuple[Json, int]:
    """Return the event with what is new after a step, and the step of the newest row."""
    rows = read_rows(run.metrics_path)
    new = [row for row in rows if row["step"] > after]
    if rows and rows[-1]["step"] < after:  # training diverged and returned to an earlier step
        new = rows[-1:]
    evaluated = [row for row in rows if row.get("val_loss") is not None]
    best = min(evaluated, key=lambda row: row["val_loss"], default={})
    event = {
        "rows": [_format_row(row, run) for row in new[-_MAX_ROWS:]],
        "previews": _list_previews(new)[-_MAX_PREVIEWS:],
        "val_loss": best.get("val_loss"),
        "best_step": best.get("step"),
        **_describe_progress(is_training, rows, _read_progress(run)),
    }
    return event, rows[-1]["step"] if rows else after


def render_report(name: str, run: Run) -> str:
    """Return the page of a run; raise `ApiError` if it cannot be made."""
    from charrnn.reports.run_page import render_run_page
    from charrnn.runs.text_reader import TextReader

    try:
        checkpoint = run.select("best")
        return render_run_page(
            checkpoint,
            TextReader(checkpoint),
            "steps",
            "bits",
            200,
            None,
            "cpu",
            lambda reading: None,
            lambda error: "it is not where it was when the run was trained",
        )
    except CharrnnError as error:
        message = f"the report of {name} cannot be made"
        if "matplotlib" in str(error):
            message = 'the report needs matplotlib: pip install "charrnn[plots]"'
        raise ApiError(501, message) from None


def _describe_progress(is_training: bool, rows: Sequence[Json], progress: Progress | None) -> Json:
    """Return whether a run is being trained, its planned last step and the seconds until then."""
    seconds_left = None
    if is_training and progress and rows and rows[-1]["step"]:
        row, limits = rows[-1], []
        recent = rows[-_RECENT_ROWS:]
        steps = row["step"] - recent[0]["step"]
        if progress.horizon and steps:
            step_seconds = (row["seconds"] - recent[0]["seconds"]) / steps
            limits.append((progress.horizon - row["step"]) * step_seconds)
        if progress.budget.max_time:
            limits.append(progress.budget.max_time - row["seconds"])
        seconds_left = max(0.0, min(limits)) if limits else None
    return {
        "is_training": is_training,
        "total_steps": progress.horizon if progress else None,
        "seconds_left": seconds_left,
    }


def _thin_out(rows: Sequence[Json]) -> Sequence[Json]:
    """Return at most `_MAX_ROWS` rows, with all that have a held-out loss and the last one."""
    stride = -(-len(rows) // _MAX_ROWS)
    last = len(rows) - 1
    return [
        row
        for number, row in enumerate(rows)
        if number % stride == 0 or number == last or row.get("val_loss") is not None
    ]


def _format_row(row: Json, run: Run) -> Json:
    shown = {name: value for name, value in row.items() if name != "preview"}
    return shown | {"characters": count_characters_read(row, run)}


def _list_previews(rows: Sequence[Json]) -> list[Json]:
    return [
        {"step": row["step"], "val_loss": row["val_loss"], "text": row["preview"]}
        for row in rows
        if row.get("preview") is not None
    ]
