import math

from charrnn.training.clock import Clock, MeanStepTime, StepTimer


def test_the_clock_continues_the_time_of_a_run() -> None:
    assert 100.0 <= Clock(100.0).seconds() < 101.0


def test_the_mean_time_of_a_step_starts_after_the_first_step_of_the_process() -> None:
    mean = MeanStepTime()
    assert mean.add(9_000.0) == math.inf
    assert mean.add(9_001.0) == 1.0
    assert mean.add(9_004.0) == 2.0


def test_the_time_of_a_step_is_the_median_without_the_first() -> None:
    timer = StepTimer()
    assert (timer.last_seconds, timer.step_seconds) == (math.inf, math.inf)
    timer.add(30.0)
    assert (timer.last_seconds, timer.step_seconds) == (30.0, math.inf)
    for seconds in (1.0, 9.0, 2.0):
        timer.add(seconds)
    assert (timer.last_seconds, timer.step_seconds) == (2.0, 2.0)
    for _ in range(20):
        timer.add(5.0)
    assert timer.step_seconds == 5.0
