"""A sequence of steps: their numbers, results and times."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from charrnn.training.clock import Clock
from charrnn.training.distributed.group import SINGLE_PROCESS, Group
from charrnn.training.distributed.ranks import Ranks
from charrnn.training.step.inputs import ReadInputs, StepInputs
from charrnn.training.step.runner import StepRunner


class SteppedClock(Clock):
    """A clock that advances by three seconds each time it is read."""

    def __init__(self) -> None:
        self.now = 0.0

    def seconds(self) -> float:
        self.now += 3
        return self.now


class Inputs:
    """Inputs that start an epoch at every fourth step."""

    def starts_from_initial_state(self, step: int) -> bool:
        return step % 4 == 0

    def count_targets(self, step: int) -> int:
        return 10 + step

    def load(self, step: int, learning_rate: float) -> None:
        self.inputs = StepInputs(torch.tensor([[step]]), {}, learning_rate, 0.0, 1.0)

    def read(self) -> StepInputs:
        return self.inputs


class RecordingStep:
    """A training step that records its calls."""

    is_async = True

    def __init__(self) -> None:
        self.model = torch.nn.Linear(1, 1)
        self.calls: list[Any] = []

    def reset_state(self) -> None:
        self.calls.append("reset")

    def __call__(self, read_inputs: ReadInputs, sync: Callable[[Any], Any]) -> torch.Tensor:
        inputs = read_inputs()
        step = inputs.window_TB.item()
        self.calls.append((step, inputs.learning_rate))
        return torch.tensor([step / 10, step / 100], dtype=torch.float64)


def test_steps_are_taken_in_order_and_share_the_time() -> None:
    train_step = RecordingStep()
    clock = SteppedClock()
    runner = StepRunner(Inputs(), train_step, clock, SINGLE_PROCESS)  # type: ignore[arg-type]
    start = clock.now + 3
    results, stop_requested = runner.run(3, [0.1, 0.2, 0.3], stop=False)
    assert train_step.calls == [(3, 0.1), "reset", (4, 0.2), (5, 0.3)]
    assert [result.train_loss for result in results] == pytest.approx([0.3, 0.4, 0.5])
    assert [result.gradient_norm for result in results] == pytest.approx([0.03, 0.04, 0.05])
    assert [result.characters for result in results] == [13, 14, 15]
    assert [result.duration for result in results] == [1, 1, 1]
    assert [result.seconds for result in results] == [start + 1, start + 2, start + 3]
    assert not stop_requested
    assert runner.run(6, [0.1], stop=True)[1]


def test_the_time_of_a_step_of_several_processes_includes_the_exchange() -> None:
    clock = SteppedClock()
    group = Group(Ranks(size=2))
    runner = StepRunner(Inputs(), RecordingStep(), clock, group)  # type: ignore[arg-type]
    exchanged_at = clock.now  # by `GradientSync`, before the step
    (result,), _ = runner.run(3, [0.1], stop=False)
    assert (result.duration, result.seconds) == (3, exchanged_at)
