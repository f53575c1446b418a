"""Starts, stops and compares tiny runs."""

import atexit
import dataclasses
import hashlib
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from charrnn.config.training import TrainConfig
from charrnn.data.corpus import Corpus
from charrnn.runs.metrics import TIMING_KEYS, read_rows
from charrnn.runs.run import Run
from charrnn.training.events import Event, Step
from charrnn.training.loop import resume, train
from tests.conftest import TINY_MODEL, TINY_TRAINING

STEPS_PER_EPOCH = 23  # of a tiny run on the fixture `text`


def tiny(out_dir: str, corpus: Corpus, stop: threading.Event | None = None, **settings: Any):  # type: ignore[no-untyped-def]
    config = dataclasses.replace(TINY_TRAINING, **settings)
    return train(corpus, config, TINY_MODEL, out_dir=out_dir, stop=stop)


_stored: dict[str, Path] = {}


def train_whole(corpus: Corpus, kind: str = "", **settings: Any) -> None:
    """Train an uninterrupted run in the folder `whole`.

    A run with the same text, settings and `kind` is trained once in each process, then copied.
    """
    key = repr((kind, corpus.sha256, sorted(settings.items())))
    if key not in _stored:
        list(tiny("whole", corpus, **settings))
        _stored[key] = Path(tempfile.mkdtemp(prefix="charrnn-tests-"), "whole")
        atexit.register(shutil.rmtree, _stored[key].parent, ignore_errors=True)
        shutil.copytree("whole", _stored[key])
    else:
        shutil.copytree(_stored[key], "whole")


def stop_after(events: Iterator[Event], stop: threading.Event, step: int) -> list[Event]:
    """Consume events, and request a stop after `step`; return the events."""
    consumed = []
    if step == 0:
        stop.set()
    for event in events:
        consumed.append(event)
        if isinstance(event, Step) and event.step == step:
            stop.set()
    return consumed


def digest(run: Path) -> dict[str, Any]:
    """Return everything that is the same in two equal runs: all values except times."""
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


def assert_same_run_apart_from_kept_checkpoints(interrupted: Path, whole: Path) -> None:
    """Compare an interrupted run with an uninterrupted one, which has one checkpoint less."""
    first, second = digest(interrupted), digest(whole)
    del first["steps"], second["steps"]
    assert first == second


def assert_resume_is_exact(config: TrainConfig, step: int) -> None:
    """Resume `run` until a step, and compare it with an uninterrupted run on `verse.txt`."""
    stop = threading.Event()
    stop_after(resume("run", stop=stop), stop, step)
    stop, text = threading.Event(), Corpus.open("verse.txt")
    stop_after(train(text, config, TINY_MODEL, out_dir="whole", stop=stop), stop, step)
    assert Run.open(Path("run")).select("last").step == step
    assert_same_run_apart_from_kept_checkpoints(Path("run"), Path("whole"))
    steps = [row["step"] for row in read_rows(Path("run/metrics.jsonl"))]
    assert steps == sorted(set(steps))


def _steps(run: Path) -> list[str]:
    return [checkpoint.path.name for checkpoint in Run.open(run).checkpoints()]
