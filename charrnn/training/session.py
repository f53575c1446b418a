"""A run being trained: its weights, optimizer, carried state and progress, and how each moves.

Shape suffixes: T steps, B streams, V characters of the vocabulary, H units, L layers.
"""

import dataclasses
import math
import threading
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor

from charrnn.analysis.scoring import LARGEST_EVALUATION, held_out_loss
from charrnn.config.sampling import SampleConfig
from charrnn.data.batches import Batches
from charrnn.data.corpus import Corpus
from charrnn.errors import CheckpointError, CorpusError, DivergedError
from charrnn.model.dropout import draw
from charrnn.model.network import CharRNN
from charrnn.model.state import State
from charrnn.numerics.devices import free_memory, resident
from charrnn.numerics.precision import autocast
from charrnn.numerics.randomness import preview_seed
from charrnn.recurrence.cpu import buffers
from charrnn.runs import metrics
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.progress import MOST_SETBACKS, Progress
from charrnn.runs.run import Run
from charrnn.sampling.loop import generate
from charrnn.training.distributed import ALONE, Group
from charrnn.training.events import Evaluated, Saved, Step, SteppedBack
from charrnn.training.graph_step import GraphedUpdate
from charrnn.training.optimization import average_decay, learning_rate
from charrnn.training.step import Inputs, Update

_SAVE_SECONDS = 600.0  # between saves, unless save_every says otherwise
_PREVIEW = SampleConfig(length=240)
_BACKWARD_SHARE = 2.0  # of the forward work: for the first estimate of a budget of time


class Session:
    """The moving parts of a run. Each method takes one of them further."""

    def __init__(
        self, run: Run, corpus: Corpus, model: CharRNN, progress: Progress, group: Group = ALONE
    ) -> None:
        config = run.config.training
        training, self._held_out = corpus.split(config.val_fraction)
        if len(self._held_out) < 2:
            raise CorpusError(
                f"the held-out part has {len(self._held_out)} characters and needs at least 2: use "
                "a longer text, or a larger --val-fraction"
            )
        self.run = run
        self.progress = progress
        self.training_characters = len(training)
        self.held_out_characters = len(self._held_out)
        self.num_parameters = model.config.parameters(len(model.vocabulary))
        self.model = model
        self._config = config
        self._eval_every = config.eval_every
        self._batches = Batches(training, config.batch_size, config.seq_length, config.seed)
        self._resident = resident(training, model.device, free_memory(model.device))
        self._batch_characters = config.batch_size * config.seq_length
        self._group = group
        progress.processes = group.ranks.size
        self._streams = group.ranks.share(config.batch_size)
        graphed = model.device.type == "cuda" and group.alone
        self._update = (GraphedUpdate if graphed else Update)(model, config, self._streams)
        self._stop_agreed = False  # whether any process was asked to stop, as all of them know
        self._started = time.perf_counter() - progress.seconds
        self._agreed_seconds = progress.seconds
        self._saved_at = progress.seconds
        self.saved = False
        self._row_characters, self._row_seconds = 0, 0.0
        self._estimated_seconds_a_step = 0.0
        if progress.horizon is None:
            self.plan()

    @property
    def steps_per_epoch(self) -> int:
        """Batches in one pass through the training part."""
        return self._batches.steps_per_epoch

    def create(self) -> None:
        """Make the run's folder and its first checkpoint; all processes take over its weights."""
        self._group.lead(self.run.create)
        arrays = self._group.lead(self.model.arrays)
        if not self._group.ranks.leads:
            self.model.set_arrays(arrays)
            self._update.average.set_arrays(arrays)
        self.save()

    def restore(self, checkpoint: Checkpoint) -> None:
        """Take over all that a checkpoint kept; raise `CheckpointError` where it does not fit.

        The first process reads it.
        """
        model, arrays = self._group.lead(
            lambda: (checkpoint.load("model"), checkpoint.load("trainer"))
        )
        self._update.restore(model, arrays, self.progress.step)
        self.saved = True
        pending = self.evaluation_due()  # then the row of this step was not settled yet
        last = self.progress.step - 1 if pending else self.progress.step
        self._group.lead(lambda: metrics.drop_rows_after(self.run.metrics_path, last))

    def plan(self) -> None:
        """Set the step that the learning rate is planned to end at, from the budget."""
        self.progress.horizon = self._group.lead(self._planned)

    def _planned(self) -> int | None:
        budget, progress = self.progress.budget, self.progress
        limits = [budget.epochs * self.steps_per_epoch] if budget.epochs else []
        limits += [budget.max_steps] if budget.max_steps else []
        if budget.max_time and progress.evaluated_step is not None:
            left = budget.max_time - self._seconds() - progress.evaluation_seconds
            limits.append(progress.step + max(0, int(left / self._seconds_a_step())))
        return min(limits) if limits else None

    def take_steps(self, stop: bool = False) -> list[Step]:
        """Train on the next batch, or on as many as nothing comes between on a GPU.

        `stop` tells all processes that this one was asked to stop.
        """
        self.saved = False
        begun, step = self._seconds(), self.progress.step
        count = self._steps_until_a_look() if self._update.runs_ahead else 1
        told = torch.stack([self._start_step(step + ahead, stop) for ahead in range(count)])
        taken = told.tolist()  # waits until they are done
        now = self._seconds() if self._group.alone else self._agreed_seconds
        took = (now - begun) / count
        return [
            self._settled(loss, norm, begun + took * (n + 1), took)
            for n, (loss, norm) in enumerate(taken)
        ]

    def _steps_until_a_look(self) -> int:
        """Return the steps until a row, an evaluation, a save or the end of the plan is due."""
        step, config = self.progress.step, self._config
        every = [self._eval_every, config.log_every, config.save_every or 10**9]
        left = [each - step % each for each in every]
        if self.progress.horizon is not None:
            left.append(max(1, self.progress.horizon - step))
        return min(left)

    def _rate(self, step: int) -> float:
        progress = self.progress
        rate: float = learning_rate(step, progress.horizon, self._config) / 2**progress.setbacks
        return rate

    def _start_step(self, step: int, stop: bool) -> Tensor:
        """Start the step that follows `step`; return its loss and the norm of its gradient."""
        if self._batches.starts_epoch(step):
            self._update.blank_state()
        inputs = Inputs(
            window_TB=self._window(step),
            draws=draw(self._config, self.model.config, len(self.model.vocabulary), step),
            rate=self._rate(step),
            move=1 - average_decay(step, self._config.average_decay),
        )
        return self._update(inputs, lambda loss: self._agree(loss, stop))

    def _window(self, step: int) -> Tensor:
        """Return the characters of `step`, (T + 1, B), from where the text is."""
        if self._resident is None:
            return torch.from_numpy(self._batches.window(step, self._streams))
        starts_B = torch.from_numpy(self._batches.starts(step, self._streams))
        rows_T1 = torch.arange(self._batches.rows, device=self._resident.device)[:, None]
        return self._resident[starts_B.to(self._resident.device) + rows_T1].long()

    def _settled(self, train_loss: float, norm: float, seconds: float, took: float) -> Step:
        """Count the next step as taken; raise `DivergedError` if a number of it is none."""
        progress = self.progress
        step, rate = progress.step, self._rate(progress.step)
        if not math.isfinite(train_loss) or not math.isfinite(norm):
            raise DivergedError(
                f"training diverged at step {step + 1:,}: the loss is {train_loss:.4g} and the "
                f"norm of its gradient {norm:.4g} at learning rate {rate:.3g}",
                step + 1,
                train_loss,
            )
        progress.step, progress.val_loss = step + 1, None
        progress.epoch = round(progress.step / self.steps_per_epoch, 6)
        progress.learning_rate = rate
        progress.loss_sum += train_loss
        progress.loss_count += 1
        progress.seconds = seconds
        self._row_characters += self._batch_characters
        self._row_seconds += max(1e-9, took)
        return Step(
            step=progress.step,
            epoch=progress.epoch,
            train_loss=train_loss,
            learning_rate=rate,
            characters_per_second=self._row_characters / self._row_seconds,
            seconds=progress.seconds,
            seconds_left=self._seconds_left(),
            horizon=progress.horizon,
        )

    def _agree(self, loss: Tensor, stop: bool) -> Tensor:
        """Make gradients and loss those of the whole batch; tell of a stop request and the time.

        Every share of the streams is as large, so the mean over all is the mean of their means.
        """
        if self._group.alone:
            return loss
        leads, size = self._group.ranks.leads, self._group.ranks.size
        told = loss.new_tensor([loss.item(), stop, self._seconds() if leads else 0.0])
        gradients = [each.grad for each in self.model.parameters() if each.grad is not None]
        self._group.add_up([*gradients, told])
        torch._foreach_div_(gradients, size)
        total, stops, self._agreed_seconds = told.tolist()
        self._stop_agreed = stops > 0
        return loss.new_tensor(total / size, dtype=torch.float64)

    def stopping(self, stop: threading.Event) -> bool:
        """Whether training is to end here by request; the same in all processes."""
        return stop.is_set() if self._group.alone else self._stop_agreed

    def evaluate(self, stop: threading.Event) -> Evaluated | None:
        """Judge the averaged weights and let them write; return None if asked to stop meanwhile.

        The first process does it, and tells the others how far the run is.
        """
        evaluated, told = self._group.lead(lambda: self._judged(stop))
        self._stop_agreed = evaluated is None
        if evaluated and not self._group.ranks.leads:
            self.progress, self.saved = told, False
        return evaluated

    def _judged(self, stop: threading.Event) -> tuple[Evaluated | None, Progress]:
        progress, started = self.progress, self._seconds()
        with autocast(self.model.device, self._config.precision):
            val_loss = held_out_loss(self._update.average, self._held_out, stop)
        if val_loss is None:
            return None, progress
        read = min(self.held_out_characters, LARGEST_EVALUATION)
        work = (1 + _BACKWARD_SHARE) * self._batch_characters / read
        self._estimated_seconds_a_step = work * (self._seconds() - started)
        if not math.isfinite(val_loss):
            raise DivergedError(
                f"training diverged before step {progress.step:,}: the held-out loss is {val_loss}",
                progress.step,
                val_loss,
            )
        improved = progress.best_val_loss is None or val_loss < progress.best_val_loss
        if improved:
            progress.best_val_loss, progress.best_step = val_loss, progress.step
        progress.stale_evaluations = 0 if improved else progress.stale_evaluations + 1
        progress.val_loss, progress.evaluated_step = val_loss, progress.step
        self.saved = False
        seed = preview_seed(self._config.seed, progress.step)
        (preview,) = generate(self._update.average, config=_PREVIEW, seed=seed)
        progress.seconds = self._seconds()
        progress.evaluation_seconds = progress.seconds - started
        if progress.budget.max_time:
            progress.horizon = self._planned()
        evaluated = Evaluated(
            step=progress.step,
            epoch=progress.epoch,
            train_loss=self._mean_loss(),
            val_loss=val_loss,
            improved=improved,
            seconds=progress.seconds,
            preview=preview,
        )
        return evaluated, progress

    def log(self, preview: str | None = None) -> None:
        """Write this step's row of the curves, with what was written if it was evaluated."""
        progress = self.progress
        row: dict[str, Any] = {
            "step": progress.step,
            "epoch": progress.epoch,
            "train_loss": self._mean_loss(),
            "val_loss": progress.val_loss,
            "learning_rate": progress.learning_rate,
            "characters_per_second": round(self._row_characters / self._row_seconds, 1)
            if self._row_seconds
            else None,
            "seconds": round(progress.seconds, 3),
        }
        if preview is not None:
            row["preview"] = preview
        if self._group.ranks.leads:
            metrics.append_row(self.run.metrics_path, row)
        progress.loss_sum, progress.loss_count = 0.0, 0
        self._row_characters, self._row_seconds = 0, 0.0

    def step_back(self, error: DivergedError) -> SteppedBack:
        """Go back to before training diverged, with half the learning rate; at last raise `error`.

        Back to an evaluation or the start, which a run has however often it was stopped.
        """
        setbacks = self.progress.setbacks + 1
        if setbacks > MOST_SETBACKS:
            raise DivergedError(
                f"{error}, after {MOST_SETBACKS} times back with half the learning rate: train "
                f"anew with --learning-rate {self._config.learning_rate / 2 ** (setbacks + 1):.2g} "
                f"or a lower --clip-norm; what {self.run.path} holds is from before",
                error.step,
                error.loss,
            )
        checkpoint = self._group.lead(lambda: self._sound_before(error.step))
        now, self.progress = self.progress, Progress.of(checkpoint)
        self.progress.setbacks = setbacks
        for name in ("budget", "horizon", "corpus"):  # a resume may have changed them since
            setattr(self.progress, name, getattr(now, name))
        self.restore(checkpoint)
        self._row_characters, self._row_seconds = 0, 0.0
        self.save()  # the count of setbacks
        self._group.lead(lambda: self.run.remove_after(self.progress.step))
        return SteppedBack(
            why=str(error),
            step=self.progress.step,
            setbacks=setbacks,
            learning_rate=self._config.learning_rate / 2**setbacks,
        )

    def _sound_before(self, step: int) -> Checkpoint:
        settled = self.run.settled(self.run.checkpoints())
        for checkpoint in reversed([each for each in settled if each.step < step]):
            try:
                checkpoint.verify()
            except CheckpointError:
                continue
            return checkpoint
        return self.run.select("last", ("model", "trainer"))

    def save(self) -> Saved:
        """Write a checkpoint; raise `DivergedError` where a weight is no number any more."""
        buffers.release()  # putting it together takes as much
        state = State(tuple(self._group.whole(part, 1) for part in self._update.state.parts_LBH))
        saved = self._group.lead(lambda: self._write(state))
        self._saved_at = self.progress.seconds
        self.saved = True
        return saved

    def _write(self, state: State) -> Saved:
        arrays = self._update.arrays(state)
        model = self._update.average.arrays()
        if not all(np.isfinite(array).all() for array in (*model.values(), *arrays.values())):
            step = self.progress.step
            message = f"training diverged at step {step:,}: a weight is not a number any more"
            raise DivergedError(message, step, math.nan)
        checkpoint = self.run.save(
            self.progress.step,
            model,
            arrays,
            dataclasses.asdict(self.progress),
        )
        return Saved(step=checkpoint.step, path=checkpoint.path)

    def evaluation_due(self) -> bool:
        """Whether this step is to be evaluated, and has not been."""
        step = self.progress.step
        if self.progress.evaluated_step == step:
            return False
        if step == 0:  # a budget of time is first planned from how long this takes
            return self.progress.budget.max_time is not None
        return step % self._eval_every == 0 or self.spent() is not None

    def log_due(self) -> bool:
        """Whether a row of the curves is due here without an evaluation."""
        return self.progress.step % self._config.log_every == 0

    def save_due(self) -> bool:
        """Whether a save is due here without an evaluation."""
        if self._config.save_every:
            return self.progress.step % self._config.save_every == 0
        return self.progress.seconds - self._saved_at >= _SAVE_SECONDS

    def spent(self) -> str | None:
        """Return the limit of the budget that is reached here, None while there is some left."""
        progress, budget = self.progress, self.progress.budget
        if budget.epochs and progress.step >= budget.epochs * self.steps_per_epoch:
            return "epochs"
        if budget.max_steps and progress.step >= budget.max_steps:
            return "max_steps"
        if budget.max_time:
            spent = progress.seconds + progress.evaluation_seconds >= budget.max_time
            planned = progress.horizon is not None and progress.step >= progress.horizon
            return "max_time" if progress.step and (spent or planned) else None
        return None

    def finished(self) -> str | None:
        """Return why training ends here: a limit, `patience`, or None while it goes on."""
        if self.evaluation_due():
            return None
        patience = self._config.patience
        if patience and self.progress.stale_evaluations >= patience:
            return "patience"
        return self.spent()

    def _seconds(self) -> float:
        """Return the seconds this run has been trained, earlier sittings included."""
        return time.perf_counter() - self._started

    def _mean_loss(self) -> float | None:
        count = self.progress.loss_count
        return self.progress.loss_sum / count if count else None

    def _seconds_a_step(self) -> float:
        """Return the measured time of a step, evaluations included, or at first an estimate."""
        if self.progress.step:
            return self._seconds() / self.progress.step
        return max(1e-6, self._estimated_seconds_a_step)

    def _seconds_left(self) -> float | None:
        progress = self.progress
        estimates = []
        if progress.horizon is not None:
            estimates.append((progress.horizon - progress.step) * self._seconds_a_step())
        if progress.budget.max_time:
            estimates.append(progress.budget.max_time - progress.seconds)
        return max(0.0, min(estimates)) if estimates else None
