"""At least ten evaluations in any run, or one per step."""

import itertools
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config.training import Budget
from charrnn.data.corpus import Corpus
from charrnn.runs.run import Run
from charrnn.training.evaluation_plan import longest_interval, plan_characters, plan_interval
from charrnn.training.events import Evaluated, Event
from charrnn.training.loop import resume
from tests.conftest import last_event
from tests.training.tiny_runs import STEPS_PER_EPOCH, digest, stop_after, tiny


def evaluated_steps(events: list[Event]) -> list[int]:
    return [event.step for event in events if isinstance(event, Evaluated)]


@given(longest=st.integers(1, 10**6), steps=st.integers(1, 10**6), start=st.integers(0, 10**4))
def test_ten_evaluations_or_one_per_step_are_due(longest: int, steps: int, start: int) -> None:
    interval = plan_interval(longest, steps, is_timed=False)
    assert interval <= longest
    due = (start + steps) // interval - start // interval
    assert due >= min(10, steps)
    assert plan_interval(longest, steps, is_timed=True) <= interval


@given(steps=st.integers(40, 10**6), error=st.sampled_from([0.5, 1.0, 2.0]))
def test_a_time_limit_has_ten_evaluations_if_the_estimate_is_off_by_two(
    steps: int, error: float
) -> None:
    step = evaluations = 0
    interval = plan_interval(10**9, int(steps * error), is_timed=True)
    while (step := step + interval) <= steps:
        evaluations += 1
        interval = plan_interval(10**9, steps, is_timed=True)
    assert evaluations >= 10


def test_an_unknown_number_of_steps_gets_the_longest_interval() -> None:
    assert plan_interval(390, None, is_timed=True) == 390


@pytest.mark.parametrize(
    ("training", "held_out", "device", "characters"),
    [
        (1_003_854, 111_540, "cpu", 5 * 111_540),
        (1_003_854, 111_540, "cuda", 1_000_000),
        (134_000, 14_900, "cpu", 100_000),
        (2_700, 300, "cpu", 4 * 2_700),  # four epochs
        (2_700, 300, "cuda", 4 * 2_700),
        (900, 100, "cpu", 10_000),
        (10**9, 10**8, "cpu", 5_000_000),
    ],
)
def test_the_longest_interval_depends_on_the_text_and_the_device(
    training: int, held_out: int, device: str, characters: int
) -> None:
    interval = longest_interval(
        training,
        held_out,
        characters_per_step=256,
        eval_characters=1_000_000,
        device=device,
    )
    assert interval == characters // 256


@pytest.mark.parametrize(
    ("held_out", "steps", "expected"),
    [
        (15_000, 100, 1_000_000),  # 0.3 x 102,400 characters are affordable: all are read
        (15_000, 48, 14_745),
        (15_000, 2, 1_000),  # the minimum
        (300, 1, 1_000_000),
        (5_000_000, 10_000, 1_000_000),
        (5_000_000, 1_000, 307_200),
    ],
)
def test_evaluations_read_a_tenth_of_the_work_but_a_thousand_characters(
    held_out: int, steps: int, expected: int
) -> None:
    characters = plan_characters(
        held_out, interval=steps, characters_per_step=1024, max_time=None, device="cpu"
    )
    assert characters == expected


@pytest.mark.parametrize(("device", "expected"), [("cpu", 15_000), ("cuda", 150_000)])
def test_the_characters_of_a_time_limit_follow_from_the_usual_speed(
    device: str, expected: int
) -> None:
    characters = plan_characters(
        1_000_000, interval=5_000, characters_per_step=1024, max_time=60.0, device=device
    )
    assert characters == expected


@pytest.mark.parametrize(
    ("budget", "steps"),
    [
        ({"max_steps": 30}, list(range(3, 31, 3))),
        ({"max_steps": 7}, list(range(1, 8))),
        ({"max_steps": 25}, [*range(2, 25, 2), 25]),
        ({"max_steps": None, "epochs": 2}, [*range(4, 2 * STEPS_PER_EPOCH, 4), 46]),
        ({"max_steps": 30, "epochs": 1}, [*range(2, STEPS_PER_EPOCH, 2), 23]),
    ],
)
def test_a_run_is_evaluated_ten_times(
    text: Corpus, budget: dict[str, Any], steps: list[int]
) -> None:
    assert evaluated_steps(list(tiny("run", text, eval_every=None, **budget))) == steps


def test_an_interval_of_the_user_is_kept_by_a_resume_with_a_new_budget(text: Corpus) -> None:
    assert evaluated_steps(list(tiny("run", text, eval_every=20))) == [20, 30]
    events = list(resume("run", Budget(max_steps=70)))
    assert evaluated_steps(events) == [40, 60, 70]


def test_a_resume_with_a_new_budget_is_evaluated_ten_times(text: Corpus) -> None:
    list(tiny("whole", text, eval_every=None))
    events = list(resume("whole", Budget(max_steps=35)))
    assert evaluated_steps(events) == [31, 32, 33, 34, 35]
    shutil.copytree("whole", "parts")
    events = list(resume("whole", Budget(max_steps=95)))
    assert evaluated_steps(events) == [*range(36, 95, 6), 95]
    stop = threading.Event()
    stop_after(resume("parts", Budget(max_steps=95), stop=stop), stop, 50)
    list(resume("parts"))
    rows = [digest(Path(name))["rows"] for name in ("whole", "parts")]
    assert rows[0] == rows[1]


def test_a_long_resume_of_a_short_run_is_not_evaluated_at_every_step(text: Corpus) -> None:
    list(tiny("run", text, eval_every=None, max_steps=2, patience=0))
    assert evaluated_steps(list(resume("run", Budget(max_steps=202)))) == [*range(20, 202, 20), 202]


@pytest.fixture
def steady_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let four milliseconds pass between two readings of the clock, whatever else runs."""
    readings = itertools.count()
    monkeypatch.setattr(time, "perf_counter", lambda: 0.004 * next(readings))


@pytest.mark.usefixtures("steady_clock")
@pytest.mark.parametrize("limits", [{"max_time": 1.5}, {"max_time": 1.5, "epochs": 1000}])
def test_a_time_limit_is_evaluated_ten_times(text: Corpus, limits: dict[str, Any]) -> None:
    settings: dict[str, Any] = {"max_steps": None, "eval_every": None, "patience": 0}
    events = list(tiny("run", text, **settings, **limits))
    steps = evaluated_steps(events)
    last = last_event(events).step
    assert last > 50
    assert steps[0] == 0
    assert steps[-1] == last
    assert len(steps) > 10
    more = list(resume("run", Budget(max_time=3.0)))
    assert last_event(more).step > last + 50
    assert len(evaluated_steps(more)) >= 10


@pytest.mark.usefixtures("steady_clock")
def test_an_interval_of_the_user_is_kept_with_a_time_limit(text: Corpus) -> None:
    events = list(tiny("run", text, max_steps=None, max_time=2.0, eval_every=50, patience=0))
    steps = evaluated_steps(events)
    assert steps[0] == 0
    assert steps[1:-1] == list(range(50, steps[-1], 50))
    assert len(steps) > 3


def test_old_runs_without_a_planned_interval_keep_theirs(text: Corpus) -> None:
    list(tiny("run", text, eval_every=None))
    run = Run.open(Path("run"))
    newest = run.select("last")
    state = {
        key: value
        for key, value in newest.state.items()
        if key not in ("eval_every", "budget_start")
    }
    run.save(newest.step, newest.load("model"), newest.load("trainer"), state)
    assert evaluated_steps(list(resume("run", Budget(max_steps=36)))) == [33, 36]


def test_evaluations_of_a_short_run_read_fewer_characters() -> None:
    verse = Corpus.from_text("the quick brown fox jumps over the lazy dog\n" * 1000)
    list(tiny("run", verse, eval_every=None, max_steps=1))
    training = Run.open(Path("run")).config.training
    assert (training.eval_every, training.eval_characters) == (1, 1000)
