"""The checkpoint and the progress that training continues from after divergence."""

import dataclasses
import threading
from pathlib import Path

import pytest

from charrnn.config.training import Budget
from charrnn.data.corpus import Corpus
from charrnn.errors import DivergedError
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.progress import MAX_ROLLBACKS, Progress
from charrnn.runs.run import Run
from charrnn.training.budget_plan import BudgetPlan
from charrnn.training.rollback import (
    check_rollbacks_left,
    progress_after_rollback,
    select_rollback_checkpoint,
)
from tests.training.tiny_runs import stop_after, tiny


@pytest.fixture
def run(text: Corpus) -> Run:
    """A run with checkpoints of the steps 10 and 20, both evaluated."""
    list(tiny("run", text, max_steps=20))
    return Run.open(Path("run"))


def damage(checkpoint: Checkpoint) -> None:
    path = checkpoint.path / "trainer.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def test_training_returns_to_an_evaluated_checkpoint_before_the_step(run: Run) -> None:
    assert [checkpoint.step for checkpoint in run.checkpoints()] == [10, 20]
    assert select_rollback_checkpoint(run, 21).step == 20
    assert select_rollback_checkpoint(run, 20).step == 10


def test_a_checkpoint_without_an_evaluation_is_skipped(text: Corpus) -> None:
    stop = threading.Event()
    stop_after(tiny("run", text, stop), stop, 15)
    run = Run.open(Path("run"))
    assert [checkpoint.step for checkpoint in run.checkpoints()] == [10, 15]
    assert select_rollback_checkpoint(run, 16).step == 10


def test_a_damaged_checkpoint_is_skipped(run: Run) -> None:
    damage(run.checkpoints()[-1])
    assert select_rollback_checkpoint(run, 21).step == 10


def test_without_a_rollback_point_training_returns_to_the_newest_checkpoint(run: Run) -> None:
    assert select_rollback_checkpoint(run, 10).step == 20


def test_settings_that_a_resume_may_change_are_kept(run: Run) -> None:
    checkpoint = run.checkpoints()[0]
    other = dataclasses.replace(run.config.corpus, sha256="0" * 64)
    now = Progress(
        budget=Budget(max_steps=99),
        horizon=99,
        step=30,
        rollbacks=1,
        processes=2,
        corpus=other,
    )
    restored = progress_after_rollback(now, checkpoint)
    assert (restored.budget, restored.horizon, restored.processes) == (now.budget, 99, 2)
    assert restored.corpus == other
    assert (restored.step, restored.rollbacks) == (10, 2)
    assert (restored.best_val_loss, restored.evaluated_step) == (None, None)  # of another text
    same_text = progress_after_rollback(dataclasses.replace(now, corpus=None), checkpoint)
    assert same_text.best_val_loss == Progress.from_checkpoint(checkpoint).best_val_loss


def test_the_error_after_the_last_rollback_gives_advice(run: Run) -> None:
    plan = BudgetPlan(
        run.config.training, steps_per_epoch=23, characters_per_step=32, longest_interval=10
    )
    error = DivergedError("training diverged at step 15", step=15, loss=9.0)
    progress = Progress(budget=Budget(max_steps=30), rollbacks=MAX_ROLLBACKS - 1)
    check_rollbacks_left(run, plan, progress, error)
    progress.rollbacks = MAX_ROLLBACKS
    with pytest.raises(
        DivergedError, match=r"returned 3 times .* --learning-rate 0\.00013`"
    ) as caught:
        check_rollbacks_left(run, plan, progress, error)
    assert (caught.value.step, caught.value.loss) == (15, 9.0)
