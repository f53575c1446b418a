"""Tests with unchanged checkpoints of each format."""

import json
from pathlib import Path

import pytest

from charrnn.analysis.scoring import score
from charrnn.runs.compatibility import FORMAT
from charrnn.runs.run import Run
from charrnn.sampling.loop import generate
from charrnn.training.loop import resume
from tests.conftest import last_event

GOLDEN = Path(__file__).parents[1] / "data"


def test_there_is_a_run_of_every_format() -> None:
    """`test_reference_run.py` resumes the runs of released versions."""
    configs = [json.loads(path.read_bytes()) for path in GOLDEN.glob("*/run/config.json")]
    assert {config["format"] for config in configs} == set(range(1, FORMAT + 1))


def test_a_run_without_a_loss_temperature_can_be_loaded_sampled_scored_and_resumed() -> None:
    folder = GOLDEN / "format-1"
    facts = json.loads((folder / "facts.json").read_text("utf-8"))
    copy = Path("run")
    for path in sorted((folder / "run").rglob("*")):
        target = copy / path.relative_to(folder / "run")
        if path.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    run = Run.open(copy)
    assert run.config.training.loss_temperature == 1.0
    assert [checkpoint.step for checkpoint in run.checkpoints()] == facts["steps"]
    for checkpoint in run.checkpoints():
        checkpoint.verify()
    text = (folder / "verse.txt").read_text("utf-8")
    result = score(str(copy), text)
    assert result.nats_per_char == pytest.approx(facts["nats_per_char"], abs=1e-4)
    assert len(generate(str(copy), length=50, seed=1)[0]) == 50
    finished = last_event(list(resume(str(copy), corpus=folder / "verse.txt")))
    assert finished.step == facts["steps"][-1] + 5
    assert finished.best_val_loss is not None
