"""Checkpoints of a run in training: saved from all processes, and restored.

Shape suffixes: L layers, B streams, H units.
"""

from charrnn.model.state import State
from charrnn.recurrence.cpu import buffers
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.progress import Progress
from charrnn.runs.run import Run
from charrnn.training.distributed.group import Group
from charrnn.training.divergence import check_weights
from charrnn.training.events import Saved
from charrnn.training.step.train_step import TrainStep


class CheckpointSaver:
    """Save and restore what training needs to continue exactly.

    The process of rank zero reads and writes; all processes take part in every call.
    """

    def __init__(self, run: Run, train_step: TrainStep, progress: Progress, group: Group) -> None:
        self._run, self._train_step, self._group = run, train_step, group
        self.is_saved = False
        """Whether the newest checkpoint holds the present state; the trainer resets it."""
        self.saved_at = progress.seconds
        """The training time of the last save, in seconds."""

    def create_run(self) -> None:
        """Make the run folder; give all processes the initial weights of rank zero."""
        self._group.on_rank_zero(self._run.create)
        arrays = self._group.on_rank_zero(self._train_step.model.arrays)
        if not self._group.ranks.leads:
            self._train_step.model.set_arrays(arrays)
            self._train_step.average.set_arrays(arrays)

    def save(self, progress: Progress) -> Saved:
        """Write a checkpoint; raise `DivergedError` if a weight is not finite."""
        buffers.free_unused()  # a checkpoint needs a copy of the weights and moments in memory
        state = State(
            tuple(
                self._group.all_gather(part_LBH, dim=1)
                for part_LBH in self._train_step.state.parts_LBH
            )
        )
        saved = self._group.on_rank_zero(lambda: self._write(progress, state))
        self.is_saved, self.saved_at = True, progress.seconds
        return saved

    def _write(self, progress: Progress, state: State) -> Saved:
        trainer, model = self._train_step.arrays(state), self._train_step.average.arrays()
        check_weights(progress.step, [*model.values(), *trainer.values()])
        checkpoint = self._run.save(progress.step, model, trainer, progress.to_record())
        return Saved(step=checkpoint.step, path=checkpoint.path)

    def restore(self, checkpoint: Checkpoint, progress: Progress) -> None:
        """Load weights, moments and state; raise `CheckpointError` if they do not fit.

        `progress` is that of the checkpoint.
        """
        model, trainer = self._group.on_rank_zero(
            lambda: (checkpoint.load("model"), checkpoint.load("trainer"))
        )
        self._train_step.restore(model, trainer, progress.step)
        self.is_saved = True
