"""The rollback after divergence: to an earlier checkpoint, with half the learning rate."""

import dataclasses

from charrnn.errors import CheckpointError, DivergedError
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.progress import MAX_ROLLBACKS, Progress
from charrnn.runs.run import Run
from charrnn.training.budget_plan import BudgetPlan


def check_rollbacks_left(
    run: Run, plan: BudgetPlan, progress: Progress, error: DivergedError
) -> None:
    """Raise `DivergedError` with advice if training has diverged too often."""
    if progress.rollbacks < MAX_ROLLBACKS:
        return
    learning_rate = plan.highest_learning_rate(progress.rollbacks + 2)
    raise DivergedError(
        f"{error}, after {MAX_ROLLBACKS} times back with half the learning rate: train "
        f"anew with --learning-rate {learning_rate:.2g} "
        f"or a lower --clip-norm; what {run.path} holds is from before",
        error.step,
        error.loss,
    )


def select_rollback_checkpoint(run: Run, step: int) -> Checkpoint:
    """Return the newest intact checkpoint before `step` that training can return to.

    That is an evaluated one, or the one at the start: saves between evaluations depend on when a
    run was stopped, and the result of a run must not. Without one, return the newest intact
    checkpoint.
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


def rolled_back(progress: Progress, checkpoint: Checkpoint) -> Progress:
    """Return the progress of a checkpoint, with one rollback more than `progress` counts.

    The budget, the horizon, the text and the number of processes stay: a resume may have changed
    them since the checkpoint.
    """
    return dataclasses.replace(
        Progress.from_checkpoint(checkpoint),
        rollbacks=progress.rollbacks + 1,
        budget=progress.budget,
        horizon=progress.horizon,
        corpus=progress.corpus,
        processes=progress.processes,
    )
