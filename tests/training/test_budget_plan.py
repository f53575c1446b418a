"""The plan of a run: each method is a pure function of settings and progress."""

import dataclasses
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config.training import Budget, ResolvedTrainConfig
from charrnn.runs.progress import Progress
from charrnn.training.budget_plan import BudgetPlan
from tests.conftest import UNREGULARIZED

EPOCH = 13
LONGEST_INTERVAL = 40


def plan(**settings: Any) -> BudgetPlan:
    config: ResolvedTrainConfig = dataclasses.replace(
        UNREGULARIZED, **{"batch_size": 4, **settings}
    )
    return BudgetPlan(config, EPOCH, config.characters_per_step, LONGEST_INTERVAL)


def progress(step: int = 0, budget: Budget | None = None, **fields: Any) -> Progress:
    return Progress(budget=budget or Budget(max_steps=30), step=step, **fields)


def test_horizon_is_the_first_limit_of_epochs_and_steps() -> None:
    both = progress(budget=Budget(epochs=2, max_steps=30))
    assert plan().horizon(both, seconds=0.0, step_seconds=1.0) == 2 * EPOCH
    assert plan().horizon(progress(), seconds=0.0, step_seconds=1.0) == 30


def test_horizon_of_a_time_limit_is_unknown_before_the_first_evaluation() -> None:
    budget = Budget(max_time=100.0)
    assert plan().horizon(progress(budget=budget), seconds=1.0, step_seconds=1.0) is None


def test_horizon_of_a_time_limit_leaves_room_for_one_evaluation() -> None:
    evaluated = progress(
        40, Budget(max_time=100.0), evaluated_step=40, evaluation_seconds=10.0, seconds=20.0
    )
    # 100 - 20 - 10 = 70 seconds are left, at half a second per step
    assert plan().horizon(evaluated, seconds=20.0, step_seconds=0.5) == 40 + 140
    assert plan().horizon(evaluated, seconds=99.0, step_seconds=0.5) == 40


def test_a_slow_evaluation_keeps_at_most_a_tenth_of_a_time_limit() -> None:
    slow = progress(0, Budget(max_time=100.0), evaluated_step=0, evaluation_seconds=60.0)
    assert plan().horizon(slow, seconds=60.0, step_seconds=0.5) == 60


def test_the_time_of_the_first_step_is_estimated_as_three_forward_passes() -> None:
    # A batch has 4 x 8 characters: a tenth of the 320 that took a second.
    assert plan().step_seconds(progress(0), 9.0, 320, 1.0) == pytest.approx(0.3)
    assert plan().step_seconds(progress(0), 9.0, 320, 0.0) > 0
    assert plan().step_seconds(progress(3), 9.0, 320, 1.0) == 3.0


def test_seconds_left_is_the_shorter_of_steps_and_time() -> None:
    record = progress(10, Budget(max_steps=30, max_time=8.0), horizon=30, seconds=4.0)
    assert plan().seconds_left(record, step_seconds=0.1) == pytest.approx(2.0)
    assert plan().seconds_left(record, step_seconds=1.0) == pytest.approx(4.0)
    assert plan().seconds_left(record, step_seconds=math.inf) == pytest.approx(4.0)
    assert plan().seconds_left(progress(10), step_seconds=1.0) is None


def test_each_rollback_halves_the_learning_rate() -> None:
    first, after_two = progress(horizon=30), progress(horizon=30, rollbacks=2)
    for step in (0, 7, 29):
        assert plan().learning_rate(step, after_two) == plan().learning_rate(step, first) / 4
    assert plan(learning_rate=0.8).highest_learning_rate(3) == pytest.approx(0.1)


def test_evaluations_are_due_every_interval_and_at_the_end_until_they_are_recorded() -> None:
    budget = Budget(max_steps=25)
    due = [step for step in range(26) if plan().is_evaluation_due(progress(step, budget))]
    assert due == [10, 20, 25]
    assert not plan().is_evaluation_due(progress(10, budget, evaluated_step=10))
    assert plan().is_evaluation_due(progress(10, budget, evaluated_step=0))


def test_asynchronous_steps_end_when_an_evaluation_or_a_save_is_due() -> None:
    ends = {
        start: start + plan(save_every=7, log_every=2).steps_in_one_call(progress(start), 1e-9)
        for start in range(21)
    }
    assert set(ends.values()) == {7, 10, 14, 20, 21}
    assert plan().steps_in_one_call(progress(3, horizon=5), 1e-9) == 2
    assert plan().steps_in_one_call(progress(7, horizon=5), 1e-9) == 1


@pytest.mark.parametrize(
    ("step_seconds", "steps"), [(math.inf, 1), (3.0, 1), (0.03, 3), (0.002, 50), (0.0, 1000)]
)
def test_asynchronous_steps_take_a_tenth_of_a_second(step_seconds: float, steps: int) -> None:
    long = plan(eval_every=1000)
    assert long.steps_in_one_call(progress(), step_seconds) == steps


def test_only_a_time_limit_needs_an_evaluation_before_the_first_step() -> None:
    assert plan().is_evaluation_due(progress(0, Budget(max_time=9.0)))
    assert not plan().is_evaluation_due(progress(0))


def test_rows_are_due_every_log_interval() -> None:
    due = [step for step in range(1, 16) if plan(log_every=5).is_row_due(progress(step))]
    assert due == [5, 10, 15]


def test_saves_are_due_every_ten_minutes_or_every_interval() -> None:
    assert not plan().is_save_due(progress(7, seconds=1000.0), saved_at=400.1)
    assert plan().is_save_due(progress(7, seconds=1000.0), saved_at=400.0)
    by_steps = plan(save_every=7)
    assert by_steps.is_save_due(progress(14), saved_at=0.0)
    assert not by_steps.is_save_due(progress(15, seconds=5000.0), saved_at=0.0)


@pytest.mark.parametrize(
    ("budget", "fields", "limit"),
    [
        (Budget(epochs=2), {"step": 2 * EPOCH}, "epochs"),
        (Budget(epochs=2), {"step": 2 * EPOCH - 1}, None),
        (Budget(max_steps=5), {"step": 5}, "max_steps"),
        (Budget(epochs=1, max_steps=EPOCH), {"step": EPOCH}, "epochs"),
        (Budget(max_time=9.0), {"step": 3, "seconds": 8.5, "evaluation_seconds": 0.5}, "max_time"),
        (Budget(max_time=9.0), {"step": 3, "seconds": 8.4, "evaluation_seconds": 0.5}, None),
        (Budget(max_time=9.0), {"step": 3, "horizon": 3}, "max_time"),
        # a slow first evaluation, and the number of steps that is estimated from it
        (Budget(max_time=9.0), {"step": 3, "seconds": 7.0, "evaluation_seconds": 6.0}, None),
        (Budget(max_time=9.0), {"step": 1, "horizon": 1}, None),
        (Budget(max_time=9.0), {"step": 2, "horizon": 1}, "max_time"),
        (Budget(max_time=9.0), {"step": 0, "horizon": 0}, None),
    ],
)
def test_limit_reached_names_the_limit(
    budget: Budget, fields: dict[str, Any], limit: str | None
) -> None:
    record = progress(budget=budget, **fields)
    assert plan().limit_reached(record) == limit
    evaluated = dataclasses.replace(record, evaluated_step=record.step)
    assert plan(patience=0).finish_reason(evaluated) == limit


def test_a_run_ends_only_after_its_last_evaluation() -> None:
    assert plan().finish_reason(progress(30)) is None
    assert plan().finish_reason(progress(30, evaluated_step=30)) == "max_steps"


def test_patience_counts_evaluations_without_a_new_best() -> None:
    record = progress(20, evaluated_step=20, stale_evaluations=2)
    assert plan(patience=2).finish_reason(record) == "patience"
    assert plan(patience=3).finish_reason(record) is None
    assert plan(patience=0).finish_reason(record) is None


intervals = st.integers(1, 40)


@given(
    step=st.integers(0, 200),
    eval_every=intervals,
    save_every=st.none() | intervals,
    max_steps=st.integers(1, 300),
)
def test_no_evaluation_or_save_is_due_between_steps_that_are_started_together(
    step: int, eval_every: int, save_every: int | None, max_steps: int
) -> None:
    run = plan(eval_every=eval_every, save_every=save_every)
    record = progress(step, Budget(max_steps=max_steps), horizon=max_steps)
    count = run.steps_in_one_call(record, step_seconds=0.0)
    assert count >= 1
    for later in range(step + 1, step + count):
        between = dataclasses.replace(record, step=later)
        assert step >= max_steps or not run.is_evaluation_due(between)
        assert not (save_every and run.is_save_due(between, saved_at=0.0))
    if step < max_steps:
        at_end = dataclasses.replace(record, step=step + count)
        assert (
            run.is_evaluation_due(at_end)
            or run.is_save_due(at_end, saved_at=0.0)
            or at_end.step == max_steps
        )
