"""Tiny runs: started, stopped, and compared."""

import dataclasses
import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from charrnn.data.corpus import Corpus
from charrnn.runs.metrics import TIMING_KEYS, read_rows
from charrnn.runs.run import Run
from charrnn.training.events import Event, Step
from charrnn.training.loop import train
from tests.conftest import TINY_MODEL, TINY_TRAINING

EPOCH = 23  # steps in an epoch of the tiny run below, as test_events_tell_the_run checks


def tiny(out_dir: str, corpus: Corpus, stop: threading.Event | None = None, **settings: Any):  # type: ignore[no-untyped-def]
    config = dataclasses.replace(TINY_TRAINING, **settings)
    return train(corpus, config, TINY_MODEL, out_dir=out_dir, stop=stop)


def stopped_after(events: Iterator[Event], stop: threading.Event, step: int) -> list[Event]:
    """Follow a run, asking it to stop once it has taken `step`."""
    seen = []
    if step == 0:
        stop.set()
    for event in events:
        seen.append(event)
        if isinstance(event, Step) and event.step == step:
            stop.set()
    return seen


def digest(run: Path) -> dict[str, Any]:
    """What must be the same in two runs that are the same: all but the times."""
    newest = Run.open(run).select("last")
    state = {key: value for key, value in newest.state.items() if "seconds" not in key}
    rows = [
        {key: value for key, value in row.items() if key not in TIMING_KEYS}
        for row in read_rows(run / "metrics.jsonl")
    ]
    hashes = {
        part: hashlib.sha256((newest.path / f"{part}.safetensors").read_bytes()).hexdigest()
        for part in ("model", "trainer")
    }
    return {"state": state, "rows": rows, "steps": _steps(run), **hashes}


def assert_same_but_for_the_steps_kept(parts: Path, whole: Path) -> None:
    """Compare a run that was stopped with one that was not: a stop saves one more checkpoint."""
    first, second = digest(parts), digest(whole)
    del first["steps"], second["steps"]
    assert first == second


def _steps(run: Path) -> list[str]:
    return [each.path.name for each in Run.open(run).checkpoints()]
