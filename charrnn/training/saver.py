"""Saves and restores the checkpoints of a run in training, for all processes.

Shape suffixes: L layers, B streams, H units.
"""

import time
from collections.abc import Sequence

from charrnn.data.vocabulary import Codes
from charrnn.model.state import State
from charrnn.recurrence.cpu import buffers
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.progress import Progress
from charrnn.runs.run import Run
from charrnn.training.distributed.group import Group
from charrnn.training.divergence import check_weights
from charrnn.training.events import Saved
from charrnn.training.gradient_measurement import measure_gradient_squares
from charrnn.training.step.train_step import TrainStep


class CheckpointSaver:
    """Save and restore everything that training needs to continue exactly.

    The process of rank zero reads and writes the files. All processes must make every call.
    """

    def __init__(
        self, run: Run, train_step: TrainStep, progress: Progress, group: Group, training: Codes
    ) -> None:
        self._run, self._train_step, self._group = run, train_step, group
        self._training = training
        self.is_saved = False
        """Whether the newest checkpoint contains the current state; the trainer resets it."""
        self.saved_at = progress.seconds
        """The training time of the last save, in seconds."""
        self.duration = 0.0
        """How long the last save took, in seconds."""

    def create_run(self) -> None:
        """Create the run folder; send the initial weights of rank zero to all processes."""
        self._group.on_rank_zero(self._run.create)
        arrays = self._group.on_rank_zero(self._train_step.model.arrays)
        if not self._group.ranks.is_rank_zero:
            self._train_step.model.set_arrays(arrays)
            self._train_step.average.set_arrays(arrays)

    def save(self, progress: Progress) -> Saved:
        """Write a checkpoint; raise `DivergedError` if a weight is not finite."""
        start = time.perf_counter()
        buffers.free_unused()  # a checkpoint needs a copy of the weights and moments in memory
        states = [
            State(tuple(self._group.all_gather(part_LBH, dim=1) for part_LBH in state.parts_LBH))
            for state in self._train_step.states
        ]
        saved = self._group.on_rank_zero(lambda: self._write(progress, states))
        self.is_saved, self.saved_at = True, progress.seconds
        self.duration = time.perf_counter() - start
        return saved

    def _write(self, progress: Progress, states: Sequence[State]) -> Saved:
        trainer_arrays = self._train_step.arrays(states)
        model_arrays = self._train_step.average.arrays()
        check_weights(progress.step, [*model_arrays.values(), *trainer_arrays.values()])
        checkpoint = self._run.save(
            progress.step,
            model_arrays,
            trainer_arrays,
            progress.to_record(),
            measure_gradient_squares(self._train_step.average, self._training).to_arrays(),
        )
        return Saved(step=checkpoint.step, path=checkpoint.path)

    def restore(self, checkpoint: Checkpoint, progress: Progress) -> None:
        """Load weights, moments and carried state from a checkpoint with this progress.

        Raises `CheckpointError` if their shapes do not match.
        """
        model_arrays, trainer_arrays = self._group.on_rank_zero(
            lambda: (checkpoint.load("model"), checkpoint.load("trainer"))
        )
        self._train_step.restore(model_arrays, trainer_arrays, progress.step)
        self.is_saved = True
