"""The training of a run: steps, evaluations, metrics, checkpoints and rollbacks."""

import math
import threading
from collections.abc import Iterator, Sequence

from charrnn.data.corpus import Corpus
from charrnn.errors import DivergedError
from charrnn.model.forward import check_length
from charrnn.model.network import CharRNN
from charrnn.recurrence.dispatch import describe_engine
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.progress import Progress
from charrnn.runs.run import Run
from charrnn.training.budget_plan import BudgetPlan
from charrnn.training.clock import Clock, MeanStepTime, StepTimer
from charrnn.training.distributed.group import SINGLE_PROCESS, Group
from charrnn.training.divergence import check_step
from charrnn.training.evaluation import Evaluator
from charrnn.training.events import Evaluated, Event, Finished, RolledBack, Saved, Step
from charrnn.training.metrics_recorder import MetricsRecorder
from charrnn.training.rollback import (
    check_rollbacks_left,
    progress_after_rollback,
    select_rollback_checkpoint,
)
from charrnn.training.saver import CheckpointSaver
from charrnn.training.step.graph_step import GraphedTrainStep
from charrnn.training.step.inputs import StepInputSource
from charrnn.training.step.runner import StepResult, StepRunner
from charrnn.training.step.static_inputs import StaticInputSource
from charrnn.training.step.train_step import TrainStep

_FIRST_MEASURED_STEPS = (1, 7)
"""After the steps that follow these, a time limit is planned from the time of a step; before, it is
planned from an evaluation, which is less exact."""


class Trainer:
    """Train a run from its current progress to the end of its budget.

    First call `create_folder` and `save` for a new run, or `restore` for a resumed run; then call
    `train`. With `teachers`, the network also learns from the mean of their predictions. Raises
    `CorpusError` if the text is too short, and `ConfigError` if the streams cannot be divided among
    the processes.
    """

    def __init__(
        self,
        run: Run,
        corpus: Corpus,
        model: CharRNN,
        progress: Progress,
        group: Group = SINGLE_PROCESS,
        teachers: Sequence[CharRNN] = (),
    ) -> None:
        config = run.config.training
        training, held_out = corpus.split(config.val_fraction)
        if config.val_fraction:
            remedies = "use a longer text", "give a larger --val-fraction"
            check_length(held_out, "the held-out part", *remedies)
        streams = group.ranks.local_streams(config.batch_size)
        is_gpu = model.device.type == "cuda"
        has_fixed_shape = is_gpu and corpus.separator_code is None
        source = StaticInputSource if has_fixed_shape else StepInputSource
        # First, while most of the memory of the GPU is free.
        inputs = source(training, model, config, streams)
        # None on a CPU. Chosen here, because a CUDA graph cannot contain the checks of the engine.
        self.engine = describe_engine(
            model.config,
            len(model.vocabulary),
            steps=config.seq_length,
            streams=streams.stop - streams.start,
            precision=config.precision,
            device=model.device,
        )
        is_graphed = has_fixed_shape and group.is_single
        make_step = GraphedTrainStep if is_graphed else TrainStep
        train_step = make_step(model, config, streams, teachers)
        self.run, self.model, self.progress = run, model, progress
        self.training_characters, self.held_out_characters = len(training), len(held_out)
        self.plan = BudgetPlan.for_text(
            config, inputs.steps_per_epoch, self.training_characters, self.held_out_characters
        )
        self._group = group
        self._evaluator = Evaluator(train_step.average, held_out, config)
        if is_gpu and group.ranks.is_rank_zero:
            self._evaluator.warm_up()
        self._clock = Clock(progress.seconds)
        self._step_runner = StepRunner(inputs, train_step, self._clock, group)
        self._recorder = MetricsRecorder(run.metrics_path, is_writer=group.ranks.is_rank_zero)
        self._saver = CheckpointSaver(run, train_step, progress, group, training)
        self._stop_requested = False
        self._timer, self._mean_step_time = StepTimer(), MeanStepTime()
        progress.processes = group.ranks.size
        if progress.horizon is None:
            self.plan_horizon()

    def create_folder(self) -> None:
        """Create the folder of a new run, without a checkpoint."""
        self._saver.create_run()

    def restore(self, checkpoint: Checkpoint) -> None:
        """Load a checkpoint that has the progress of this trainer; drop the rows of later steps.

        Raises `CheckpointError` if the shapes of its arrays do not match.
        """
        self._saver.restore(checkpoint, self.progress)
        step = self.progress.step
        # If an evaluation is due at this step, it will write the row of the step.
        is_row_pending = self.plan.is_evaluation_due(self.progress)
        last_row = step - 1 if is_row_pending else step
        self._group.on_rank_zero(lambda: self._recorder.drop_rows_after(last_row))

    def train(self, stop: threading.Event) -> Iterator[Event]:
        """Train until a limit or the patience is reached, or `stop` is set; yield events.

        Raises `DivergedError` if training diverges again after the last rollback.
        """
        reason = None
        while reason is None:
            try:
                if self.plan.is_evaluation_due(self.progress):
                    yield from self._evaluate(stop)
                reason = self.plan.finish_reason(self.progress) or self._stop_reason(stop)
                if reason is None:
                    yield from self.take_steps(stop.is_set())
                    yield from self._log_and_save()
                elif not self._saver.is_saved:
                    yield self.save()
            except DivergedError as error:
                reason = None
                yield self._roll_back(error)
        yield Finished(
            run=self.run,
            step=self.progress.step,
            reason=reason,
            best_step=self.progress.best_step,
            best_val_loss=self.progress.best_val_loss,
            seconds=self.progress.seconds,
        )

    def take_steps(self, stop: bool = False, *, write_rows: bool = True) -> list[Step]:
        """Take the next training step; on a GPU, take several steps.

        Writes the rows that are due between these steps, but not the row of the last one. Without
        `write_rows`, writes no rows: a dry run has no folder. `stop` says whether this process got
        a stop request, which the other processes then get too. If a step raises `DivergedError`,
        the progress is that of the last finite step.
        """
        first = self.progress.step
        count = 1
        if self._step_runner.is_async:
            count = self.plan.steps_in_one_call(self.progress, self._timer.last_seconds)
        learning_rates = [
            self.plan.learning_rate(step, self.progress) for step in range(first, first + count)
        ]
        self._saver.is_saved = False
        results, self._stop_requested = self._step_runner.run(first, learning_rates, stop)
        self._timer.add(results[-1].duration)
        steps: list[Step] = []
        for result, learning_rate in zip(results, learning_rates, strict=True):
            if steps and write_rows and self.plan.is_row_due(self.progress):
                self._write_row()
            steps.append(self._record_step(result, learning_rate))
        if first in _FIRST_MEASURED_STEPS and self.progress.budget.max_time:
            self.plan_horizon()
        return steps

    def _record_step(self, result: StepResult, learning_rate: float) -> Step:
        """Add a step to the progress; raise `DivergedError` if the step is not finite."""
        progress, step = self.progress, self.progress.step + 1
        check_step(step, result.train_loss, result.gradient_norm, learning_rate)
        progress.record_step(
            epoch=round(step / self.plan.steps_per_epoch, 6),
            train_loss=result.train_loss,
            learning_rate=learning_rate,
            seconds=result.seconds,
            weight=1 if self.model.separator_code is None else result.characters,
        )
        speed = self._recorder.add_step(result.characters, result.duration)
        return Step(
            step=step,
            epoch=progress.epoch,
            train_loss=result.train_loss,
            learning_rate=learning_rate,
            gradient_norm=result.gradient_norm,
            characters_per_second=speed,
            seconds=progress.seconds,
            seconds_left=self.plan.seconds_left(progress, self._mean_step_time.add(result.seconds)),
            horizon=progress.horizon,
        )

    def _evaluate(self, stop: threading.Event) -> Iterator[Event]:
        """Evaluate the averaged weights and save; yield nothing if `stop` was set meanwhile.

        The process of rank zero evaluates, and sends its progress to the others.
        """
        evaluated, progress = self._group.on_rank_zero(lambda: self._evaluate_on_rank_zero(stop))
        self._stop_requested = evaluated is None
        if evaluated is None:
            return
        if not self._group.ranks.is_rank_zero:
            self.progress = progress
        self._saver.is_saved = False
        self._write_row(evaluated.preview)
        yield evaluated
        yield self.save()

    def _evaluate_on_rank_zero(self, stop: threading.Event) -> tuple[Evaluated | None, Progress]:
        progress, start = self.progress, self._clock.seconds()
        val_loss = None
        if self._evaluator.characters:
            val_loss = self._evaluator.loss(progress.step, stop)
            if val_loss is None:
                return None, progress
        loss_seconds = self._clock.seconds() - start
        improved = progress.record_evaluation(val_loss)
        preview = self._evaluator.preview(progress.step)
        progress.seconds = self._clock.seconds()
        progress.evaluation_seconds = progress.seconds - start
        if progress.budget.max_time:
            progress.horizon, progress.eval_every = self._plan_steps(loss_seconds)
        evaluated = Evaluated(
            step=progress.step,
            epoch=progress.epoch,
            train_loss=progress.mean_loss,
            val_loss=val_loss,
            improved=improved,
            seconds=progress.seconds,
            preview=preview,
        )
        return evaluated, progress

    def _log_and_save(self) -> Iterator[Event]:
        """Write a row and a checkpoint if they are due, unless an evaluation will write them."""
        if self.plan.is_evaluation_due(self.progress):
            return
        if self.plan.is_row_due(self.progress):
            self._write_row()
        if self.plan.is_save_due(self.progress, self._saver.saved_at):
            yield self.save()

    def _write_row(self, preview: str | None = None) -> None:
        self._recorder.write_row(self.progress, preview)
        self.progress.start_metrics_row()

    def save(self) -> Saved:
        """Write a checkpoint; raise `DivergedError` if a weight is not finite."""
        self._group.on_rank_zero(self._recorder.sync_rows)
        return self._saver.save(self.progress)

    def _roll_back(self, error: DivergedError) -> RolledBack:
        """Restore an earlier checkpoint, with half the learning rate.

        Raises `DivergedError` if no rollback is left.
        """
        check_rollbacks_left(self.run, self.plan, self.progress, error)
        checkpoint = self._group.on_rank_zero(
            lambda: select_rollback_checkpoint(self.run, error.step)
        )
        self.progress = progress_after_rollback(self.progress, checkpoint)
        self.restore(checkpoint)
        self._recorder.reset()
        self.save()  # stores the number of rollbacks
        self._group.on_rank_zero(lambda: self.run.remove_checkpoints_after(self.progress.step))
        return RolledBack(
            cause=str(error),
            step=self.progress.step,
            rollbacks=self.progress.rollbacks,
            learning_rate=self.plan.highest_learning_rate(self.progress.rollbacks),
        )

    def plan_horizon(self) -> None:
        """Plan again, from the budget, the last step and the interval of evaluations."""
        self.progress.horizon, self.progress.eval_every = self._group.on_rank_zero(
            lambda: self._plan_steps(self.progress.evaluation_seconds)
        )

    def _plan_steps(self, loss_seconds: float) -> tuple[int | None, int | None]:
        """Return the horizon and the interval of evaluations.

        `loss_seconds` is the time of the forward passes of the last evaluation.
        """
        progress, seconds = self.progress, self._clock.seconds()
        evaluation_seconds = progress.evaluation_seconds + self._saver.duration
        step_seconds = self._timer.step_seconds
        if step_seconds == math.inf:
            step_seconds = self.plan.step_seconds(
                progress, seconds, self._evaluator.characters, loss_seconds
            )
            if progress.step:
                evaluation_seconds = 0.0  # the mean time of a step contains it
        return self.plan.plan_steps(progress, seconds, step_seconds, evaluation_seconds)

    def _stop_reason(self, stop: threading.Event) -> str | None:
        """Return `stopped` if a stop was requested, else None; the same in all processes."""
        requested = stop.is_set() if self._group.is_single else self._stop_requested
        return "stopped" if requested else None
