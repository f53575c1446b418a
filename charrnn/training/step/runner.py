"""Takes training steps one after another, and times them."""

from collections.abc import Sequence
from typing import NamedTuple

import torch

from charrnn.training.clock import Clock
from charrnn.training.distributed.gradient_sync import GradientSync
from charrnn.training.distributed.group import Group
from charrnn.training.step.inputs import StepInputSource
from charrnn.training.step.train_step import TrainStep


class StepResult(NamedTuple):
    """The result of a training step."""

    train_loss: float
    """In nats per character, over the whole batch."""
    characters: int
    """The number of characters that the whole batch predicts."""
    gradient_norm: float
    """Before clipping."""
    duration: float
    """In seconds; the mean over the steps of one call."""
    seconds: float
    """The training time at the end of the step; with several processes, the same in all: that of
    rank zero before the gradients were averaged."""


class StepRunner:
    """Take training steps: build their inputs, compute them, and wait for their results."""

    def __init__(
        self, inputs: StepInputSource, train_step: TrainStep, clock: Clock, group: Group
    ) -> None:
        self._inputs, self._train_step, self._clock = inputs, train_step, clock
        self._is_single_process = group.is_single
        self._sync = GradientSync(group, train_step.model.parameters(), clock)

    @property
    def is_async(self) -> bool:
        """Whether steps run asynchronously, so that several steps in one call are faster."""
        return self._train_step.is_async

    def run(
        self, step: int, learning_rates: Sequence[float], stop: bool
    ) -> tuple[list[StepResult], bool]:
        """Take one step for each learning rate, starting after `step` steps.

        `stop` says whether this process got a stop request. Return the results, and whether any
        process of the run got a stop request.
        """
        start = self._clock.seconds()
        losses_and_norms = [
            self._take_step(step + index, learning_rate, stop)
            for index, learning_rate in enumerate(learning_rates)
        ]
        results = torch.stack(losses_and_norms).tolist()  # waits until the device has finished
        now = self._clock.seconds()
        duration = (now - start) / len(results)
        end = now if self._is_single_process else self._sync.seconds
        step_results = [
            StepResult(
                loss,
                self._inputs.count_targets(step + index),
                norm,
                duration,
                seconds=end - duration * (len(results) - 1 - index),
            )
            for index, (loss, norm) in enumerate(results)
        ]
        return step_results, stop if self._is_single_process else self._sync.stop_requested

    def _take_step(self, step: int, learning_rate: float, stop: bool) -> torch.Tensor:
        """Take a step, asynchronously on a GPU; return its loss and its gradient norm."""
        if self._inputs.starts_from_initial_state(step):
            self._train_step.reset_state()
        self._inputs.load(step, learning_rate)
        return self._train_step(self._inputs.read, lambda loss: self._sync(loss, stop))
