"""Checkpoints of a run in training: saved from all processes, and restored."""

import math

import numpy as np

from charrnn.errors import DivergedError
from charrnn.model.state import State
from charrnn.recurrence.cpu import buffers
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.progress import Progress
from charrnn.runs.run import Run
from charrnn.training.distributed.group import Group
from charrnn.training.events import Saved
from charrnn.training.step.train_step import TrainStep


class CheckpointSaver:
    """Save and restore what training needs to continue exactly.

    The process of rank zero reads and writes; all processes take part in every call.
    """

    def __init__(self, run: Run, train_step: TrainStep, group: Group) -> None:
        self._run, self._train_step, self._group = run, train_step, group

    def create_run(self) -> None:
        """Make the run folder; give all processes the initial weights of rank zero."""
        self._group.on_rank_zero(self._run.create)
        arrays = self._group.on_rank_zero(self._train_step.model.arrays)
        if not self._group.ranks.leads:
            self._train_step.model.set_arrays(arrays)
            self._train_step.average.set_arrays(arrays)

    def save(self, progress: Progress) -> Saved:
        """Write a checkpoint; raise `DivergedError` if a weight is not finite."""
        buffers.release()  # putting the checkpoint together takes as much memory
        state = State(
            tuple(
                self._group.all_gather(part_LBH, dim=1)
                for part_LBH in self._train_step.state.parts_LBH
            )
        )
        return self._group.on_rank_zero(lambda: self._write(progress, state))

    def _write(self, progress: Progress, state: State) -> Saved:
        trainer, model = self._train_step.arrays(state), self._train_step.average.arrays()
        if not all(np.isfinite(array).all() for array in (*model.values(), *trainer.values())):
            step = progress.step
            message = f"training diverged at step {step:,}: a weight is not a number any more"
            raise DivergedError(message, step, math.nan)
        checkpoint = self._run.save(progress.step, model, trainer, progress.to_record())
        return Saved(step=checkpoint.step, path=checkpoint.path)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Load weights, moments and state; raise `CheckpointError` if they do not fit."""
        model, trainer = self._group.on_rank_zero(
            lambda: (checkpoint.load("model"), checkpoint.load("trainer"))
        )
        self._train_step.restore(model, trainer, checkpoint.step)
