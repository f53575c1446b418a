"""When a run evaluates, logs, saves and ends: pure functions of its settings and its progress."""

import math
from dataclasses import dataclass

from charrnn.config.training import ResolvedTrainConfig
from charrnn.runs.progress import Progress
from charrnn.training.evaluation_plan import BACKWARD_COST, longest_interval, plan_interval
from charrnn.training.schedule import learning_rate

_SAVE_SECONDS = 600.0  # between saves, unless save_every is given
_MIN_STEP_SECONDS = 1e-6  # keeps the horizon finite if no evaluation was timed
_CALL_SECONDS = 0.1  # of asynchronous steps in one call, so that a stop request has effect soon
_MAX_LAST_EVALUATION = 0.1  # of a time limit, that is kept for the last evaluation
_NUM_ESTIMATED_STEPS = 2  # whose time is only estimated; the first one is slower than the others


@dataclass(frozen=True)
class BudgetPlan:
    """What the budget and the settings of a run determine at each step.

    Every method is a pure function of its arguments. `progress` is the record of the run so far;
    `progress.step` is the number of steps taken.
    """

    config: ResolvedTrainConfig
    steps_per_epoch: int
    characters_per_step: int
    """The characters that a step predicts; of documents, in the mean of an epoch."""
    longest_interval: int
    """The most steps between two evaluations: see `evaluation_plan.longest_interval`."""

    @classmethod
    def for_text(
        cls,
        config: ResolvedTrainConfig,
        steps_per_epoch: int,
        training_characters: int,
        held_out_characters: int,
    ) -> "BudgetPlan":
        """Return the plan of a run on a text with these numbers of characters."""
        mean = math.ceil(training_characters / steps_per_epoch)
        characters_per_step = min(config.characters_per_step, mean)
        interval = longest_interval(
            training_characters,
            held_out_characters,
            characters_per_step=characters_per_step,
            eval_characters=config.eval_characters,
            device=config.device,
        )
        return cls(config, steps_per_epoch, characters_per_step, interval)

    def horizon(self, progress: Progress, seconds: float, step_seconds: float) -> int | None:
        """Return the step at which the learning rate is planned to end, None if it is not known.

        `seconds` is the training time so far, `step_seconds` the time of a step. A time limit has
        an effect after the first evaluation, and leaves time for one more evaluation. The time of a
        step is infinite as long as it is not known.
        """
        budget = progress.budget
        steps = [budget.epochs * self.steps_per_epoch] if budget.epochs else []
        if budget.max_steps:
            steps.append(budget.max_steps)
        is_timed = progress.evaluated_step is not None and step_seconds < math.inf
        if budget.max_time and is_timed:
            seconds_left = budget.max_time - seconds - _last_evaluation(progress)
            steps.append(progress.step + max(0, int(seconds_left / step_seconds)))
        return min(steps) if steps else None

    def plan_interval(self, progress: Progress, horizon: int | None) -> int | None:
        """Return the steps between two evaluations for this horizon; None if the user set them."""
        if progress.eval_every is None:
            return None
        steps = None if horizon is None else horizon - progress.budget_start
        is_timed = progress.budget.max_time is not None
        return plan_interval(self.longest_interval, steps, is_timed=is_timed)

    def plan_steps(
        self, progress: Progress, seconds: float, step_seconds: float, evaluation_seconds: float
    ) -> tuple[int | None, int | None]:
        """Return the horizon and the interval of evaluations; see `horizon`, `plan_interval`.

        `step_seconds` is the time of a step without evaluations. How often evaluations take their
        time is known only after a first estimate of the horizon.
        """
        estimate = self.horizon(progress, seconds, step_seconds)
        interval = self.plan_interval(progress, estimate) or self.config.eval_every
        horizon = self.horizon(progress, seconds, step_seconds + evaluation_seconds / interval)
        return horizon, self.plan_interval(progress, horizon)

    def step_seconds(
        self, progress: Progress, seconds: float, characters: int, evaluation_seconds: float
    ) -> float:
        """Return the mean time of a step, including evaluations; `seconds` is the time of the run.

        Before the first step it is estimated from an evaluation of `characters` that took
        `evaluation_seconds`: a step is a forward and a backward pass, an evaluation a forward pass.
        Without a held-out text, it is infinite.
        """
        if progress.step:
            return seconds / progress.step
        if not characters:
            return math.inf
        cost = (1 + BACKWARD_COST) * self.characters_per_step / characters
        return max(_MIN_STEP_SECONDS, cost * evaluation_seconds)

    def seconds_left(self, progress: Progress, step_seconds: float) -> float | None:
        """Return the estimated time to the end of the run, None if no limit is known.

        `step_seconds` is infinite as long as it is not known.
        """
        estimates = []
        if progress.horizon is not None and step_seconds < math.inf:
            estimates.append((progress.horizon - progress.step) * step_seconds)
        if progress.budget.max_time:
            estimates.append(progress.budget.max_time - progress.seconds)
        return max(0.0, min(estimates)) if estimates else None

    def learning_rate(self, step: int, progress: Progress) -> float:
        """Return the learning rate of the step that follows `step`, halved by each rollback."""
        return learning_rate(step, progress.horizon, self.config) / float(2**progress.rollbacks)

    def highest_learning_rate(self, rollbacks: int) -> float:
        """Return the highest learning rate after this number of rollbacks."""
        return self.config.learning_rate / float(2**rollbacks)

    def eval_every(self, progress: Progress) -> int:
        """Return the number of steps between two evaluations."""
        return progress.eval_every or self.config.eval_every

    def known_eval_every(self, progress: Progress) -> int | None:
        """Return `eval_every`; None if it will be planned when the speed is known."""
        is_planned = progress.eval_every is not None and progress.budget.max_time is not None
        return None if is_planned else self.eval_every(progress)

    def is_evaluation_due(self, progress: Progress) -> bool:
        """Return whether the model must be evaluated before the next step."""
        step = progress.step
        if progress.evaluated_step == step:
            return False
        if step == 0:  # a time limit is first planned from the time of this evaluation
            return progress.budget.max_time is not None
        if progress.evaluated_step is None and progress.corpus is not None:
            return True  # the run continues with another text: its losses start here
        return step % self.eval_every(progress) == 0 or self.limit_reached(progress) is not None

    def is_row_due(self, progress: Progress) -> bool:
        """Return whether a row of metrics.jsonl is due at a step without an evaluation."""
        return progress.step % self.config.log_every == 0

    def is_save_due(self, progress: Progress, saved_at: float) -> bool:
        """Return whether a save is due at a step without an evaluation.

        `saved_at` is the training time of the last save, in seconds.
        """
        if self.config.save_every:
            return progress.step % self.config.save_every == 0
        return progress.seconds - saved_at >= _SAVE_SECONDS

    def steps_in_one_call(self, progress: Progress, step_seconds: float) -> int:
        """Return how many asynchronous steps to start before the first wait for a result.

        They end when an evaluation, a save or the horizon is due, or after about a tenth of a
        second. `step_seconds` is the time of a step, infinite if none was timed yet.
        """
        intervals = [self.eval_every(progress)]
        if self.config.save_every:
            intervals.append(self.config.save_every)
        steps = [interval - progress.step % interval for interval in intervals]
        if progress.horizon is not None:
            steps.append(progress.horizon - progress.step)
        steps.append(int(_CALL_SECONDS / max(_MIN_STEP_SECONDS, step_seconds)))
        return max(1, min(steps))

    def limit_reached(self, progress: Progress) -> str | None:
        """Return the name of the limit of the budget that is reached, None if none is."""
        step, budget = progress.step, progress.budget
        if budget.epochs and step >= budget.epochs * self.steps_per_epoch:
            return "epochs"
        if budget.max_steps and step >= budget.max_steps:
            return "max_steps"
        if budget.max_time and step:
            is_time_over = progress.seconds + _last_evaluation(progress) >= budget.max_time
            last = max(_NUM_ESTIMATED_STEPS, progress.horizon or 0)
            is_at_horizon = progress.horizon is not None and step >= last
            return "max_time" if is_time_over or is_at_horizon else None
        return None

    def finish_reason(self, progress: Progress) -> str | None:
        """Return why the run ends at this step; None if it continues.

        The reasons are the limits, `patience` and `target_loss`.
        """
        if self.is_evaluation_due(progress):
            return None
        if progress.has_reached(self.config):
            return "target_loss"
        patience = self.config.patience
        if patience and progress.stale_evaluations >= patience:
            return "patience"
        return self.limit_reached(progress)


def _last_evaluation(progress: Progress) -> float:
    """Return the time to keep for an evaluation at the end of a time limit, in seconds.

    The first evaluation of a process can take much longer than the later ones. It must not use up
    the time for training.
    """
    return min(progress.evaluation_seconds, _MAX_LAST_EVALUATION * (progress.budget.max_time or 0))
