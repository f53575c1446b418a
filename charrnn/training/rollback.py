"""Rollback after divergence: training returns to a checkpoint, with half the learning rate."""

import dataclasses

from charrnn.errors import CheckpointError, DivergedError
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.progress import MAX_ROLLBACKS, Progress
from charrnn.runs.run import Run
from charrnn.training.budget_plan import BudgetPlan


def check_rollbacks_left(
    run: Run, plan: BudgetPlan, progress: Progress, error: DivergedError
) -> None:
    """Raise `DivergedError` with advice if the maximum number of rollbacks is reached."""
    if progress.rollbacks < MAX_ROLLBACKS:
        return
    learning_rate = plan.highest_learning_rate(progress.rollbacks + 2)
    raise DivergedError(
        f"{error}; training already returned {MAX_ROLLBACKS} times to an earlier checkpoint with "
        f"half the learning rate; the checkpoints in {run.path} were saved before the divergence",
        f"start a new run with `charrnn train --learning-rate {learning_rate:.2g}`",
        "start one with a lower gradient limit with `charrnn train --clip-norm`",
        step=error.step,
        loss=error.loss,
    )


def select_rollback_checkpoint(run: Run, step: int) -> Checkpoint:
    """Return the newest intact checkpoint before `step` that training can return to.

    Only checkpoints with an evaluation and the one at the start qualify. Other checkpoints depend
    on when the run was stopped, and the result of a run must not. If there is none, return the
    newest intact checkpoint.
    """
    rollback_points = run.rollback_points(run.checkpoints())
    for checkpoint in reversed(rollback_points):
        if checkpoint.step < step:
            try:
                checkpoint.verify()
            except CheckpointError:
                continue
            return checkpoint
    return run.select("last", ("model", "trainer"))


def progress_after_rollback(progress: Progress, checkpoint: Checkpoint) -> Progress:
    """Return the progress of a checkpoint, with one rollback more than `progress` counts.

    The budget, the horizon, the text and the number of processes are those of `progress`: a resume
    may have changed them since the checkpoint.
    """
    restored = Progress.from_checkpoint(checkpoint)
    if (restored.corpus, restored.text) != (progress.corpus, progress.text):
        restored.reset_losses()  # they are those of the text before
    return dataclasses.replace(
        restored,
        rollbacks=progress.rollbacks + 1,
        budget=progress.budget,
        budget_start=progress.budget_start,
        horizon=progress.horizon,
        eval_every=progress.eval_every,
        corpus=progress.corpus,
        text=progress.text,
        processes=progress.processes,
        teachers=progress.teachers,
    )
