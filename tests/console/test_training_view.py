"""What a training run shows on a terminal, wide or small, and where there is none."""

import dataclasses
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from charrnn.config.training import Budget
from charrnn.console import training_view
from charrnn.console.training_view import TrainingView
from charrnn.data.progress import Reading
from charrnn.training.events import Evaluated, Event, Finished, Step
from charrnn.training.loop import resume, train
from tests.conftest import TINY_MODEL, TINY_TRAINING

Showing = Callable[[list[Event]], str]


@pytest.fixture
def events(text_file: Path) -> list[Event]:
    return list(train(str(text_file), TINY_TRAINING, TINY_MODEL))


def view_on(console: Console, monkeypatch: pytest.MonkeyPatch) -> TrainingView:
    monkeypatch.setattr(training_view, "messages", lambda: console)
    return TrainingView()


def terminal(width: int, height: int) -> Console:
    return Console(
        file=io.StringIO(), force_terminal=True, width=width, height=height, color_system=None
    )


def screen_after(events: list[Event], console: Console, monkeypatch: pytest.MonkeyPatch) -> str:
    """The screen at the last step of a run, as it would be drawn."""
    view = view_on(console, monkeypatch)
    for event in events:
        view.show(event)
    last = [each for each in events if isinstance(each, Step)][-1]
    with console.capture() as shown:
        console.print(view._screen.step(last))
    return shown.get()


@pytest.mark.parametrize("width", [80, 120])
def test_the_screen_has_progress_losses_and_text(
    width: int, events: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = screen_after(events, terminal(width, 30), monkeypatch)
    lines = shown.splitlines()
    assert "char/s" in lines[0]
    assert "step 30/30" in lines[1]
    assert "━ train   ━ held out   ━ 5-gram" in shown
    assert "loss (bits per character)" in shown
    evaluated = [each for each in events if isinstance(each, Evaluated)][-1]
    assert "it wrote at step 30:" in shown
    first = evaluated.preview.strip("\n").split("\n")[0]
    assert f"    {first[: width - 6]}" in shown
    assert max(map(len, lines)) <= width
    assert len(lines) <= 30


def test_a_small_terminal_goes_without_the_chart(
    events: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = screen_after(events, terminal(60, 15), monkeypatch)
    assert "step 30/30" in shown
    assert "held out" not in shown
    assert len(shown.splitlines()) <= 15


def test_lines_on_evaluations_fit_80_columns(
    events: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    console = terminal(80, 30)
    view = view_on(console, monkeypatch)
    with console.capture() as shown:
        for event in events:
            if isinstance(event, Evaluated):
                view.show(event)
    lines = shown.get().splitlines()
    assert len(lines) == 3
    assert all(line.startswith("step ") and len(line) <= 80 for line in lines)


def test_the_chart_goes_on_where_an_earlier_sitting_stopped(
    text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    short = dataclasses.replace(TINY_TRAINING, max_steps=10)
    finished = list(train(str(text_file), short, TINY_MODEL))[-1]
    assert isinstance(finished, Finished)
    later = list(resume(str(finished.run.path), Budget(max_steps=30)))
    view = view_on(terminal(80, 30), monkeypatch)
    view.show(later[0])
    assert [x for x, _ in view._screen._held_out] == [10]
    for event in later[1:]:
        view.show(event)
    assert [x for x, _ in view._screen._held_out] == [10, 20, 30]


def test_without_a_terminal_there_are_plain_lines(
    events: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = io.StringIO()
    view = view_on(Console(file=file, width=200), monkeypatch)
    for event in events:
        view.show(event)
    shown = file.getvalue()
    assert "━" not in shown
    assert "step 1/30" in shown
    assert shown.count("\nstep ") == 3
    evaluated = next(each for each in events if isinstance(each, Evaluated))
    assert "    " + evaluated.preview.strip("\n").split("\n")[0] in shown
    assert "finished (all steps done) at step 30" in shown


def test_the_reading_of_a_text_is_a_bar_on_a_terminal_and_a_line_per_task_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    console = terminal(80, 30)
    view = view_on(console, monkeypatch)
    view.show_reading(Reading("reading novel", 1 << 20, 4 << 20))
    with console.capture() as shown:
        console.print(view._live.renderable)
    assert "25%  reading novel" in shown.get()

    file = io.StringIO()
    view = view_on(Console(file=file, width=200), monkeypatch)
    for task in ("reading novel", "encoding novel"):
        for done in (1, 2, 3):
            view.show_reading(Reading(task, done << 20, 4 << 20))
    assert file.getvalue().splitlines() == ["reading novel", "encoding novel"]
