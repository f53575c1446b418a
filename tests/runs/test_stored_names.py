import dataclasses
from pathlib import Path

import pytest

from charrnn.config.training import Budget
from charrnn.data.corpus import Corpus
from charrnn.runs.progress import Progress
from charrnn.runs.run import Run
from charrnn.runs.stored_names import to_field_names, to_stored_names
from tests.training.tiny_runs import tiny


def test_field_names_are_the_inverse_of_stored_names() -> None:
    record = dataclasses.asdict(Progress(budget=Budget(max_steps=1), rollbacks=2))
    stored = to_stored_names(record)
    assert stored["setbacks"] == 2
    assert "rollbacks" not in stored
    assert to_field_names(stored) == record


def test_a_field_name_on_disk_is_an_error() -> None:
    with pytest.raises(ValueError, match="unknown name rollbacks"):
        to_field_names({"rollbacks": 1, "setbacks": 1})


def test_state_json_keeps_its_names(corpus: Corpus) -> None:
    list(tiny("run", corpus, max_steps=1))
    checkpoint = Run.open(Path("run")).select("last")
    assert list(checkpoint.state) == [
        *("budget", "horizon", "eval_every", "budget_start"),
        *("step", "epoch", "seconds", "learning_rate", "evaluation_seconds"),
        *("loss_sum", "loss_count", "val_loss", "evaluated_step", "best_val_loss", "best_step"),
        *("stale_evaluations", "setbacks", "processes", "corpus", "text", "teachers"),
    ]
    assert Progress.from_checkpoint(checkpoint).to_record() == checkpoint.state
