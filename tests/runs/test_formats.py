"""A checkpoint of each format there has been, kept as it was written."""

import json
from pathlib import Path

import pytest

from charrnn.analysis.scoring import score
from charrnn.errors import CheckpointError
from charrnn.runs.layout import FORMAT
from charrnn.runs.run import Run
from charrnn.sampling.loop import generate
from charrnn.training.loop import resume
from tests.conftest import last_event

GOLDEN = Path(__file__).parents[1] / "data"


@pytest.mark.parametrize("number", range(1, FORMAT + 1))
def test_every_format_still_loads_writes_scores_and_resumes(number: int) -> None:
    kept = GOLDEN / f"format-{number}"
    facts = json.loads((kept / "facts.json").read_text("utf-8"))
    copy = Path("run")
    for path in sorted((kept / "run").rglob("*")):
        target = copy / path.relative_to(kept / "run")
        if path.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    run = Run.open(copy)
    assert run.config.training.loss_temperature == facts.get("loss_temperature", 1.0)
    assert [each.step for each in run.checkpoints()] == facts["steps"]
    for each in run.checkpoints():
        each.verify()
    text = (kept / "verse.txt").read_text("utf-8")
    found = score(str(copy), text)
    assert found.nats_per_char == pytest.approx(facts["nats_per_char"], abs=1e-4)
    assert len(generate(str(copy), length=50, seed=1)[0]) == 50
    finished = last_event(list(resume(str(copy), corpus=kept / "verse.txt")))
    assert finished.step == facts["steps"][-1] + 5
    assert finished.best_val_loss is not None


def test_a_newer_format_is_refused_in_a_sentence() -> None:
    record = json.loads((GOLDEN / "format-1/run/config.json").read_bytes())
    Path("run").mkdir()
    Path("run/config.json").write_text(json.dumps({**record, "format": FORMAT + 1}), "utf-8")
    with pytest.raises(CheckpointError, match=r"install a newer charrnn"):
        Run.open(Path("run"))
