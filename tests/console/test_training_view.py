"""What a training run shows on a terminal, wide or small, and without a terminal."""

import dataclasses
import io
import threading
from pathlib import Path

import pytest
from rich.console import Console
from rich.live import Live

from charrnn.config.training import Budget
from charrnn.data.progress import Reading
from charrnn.training.events import Evaluated, Event, Finished, Started, Step
from charrnn.training.loop import resume, train
from tests.conftest import TINY_MODEL, TINY_TRAINING
from tests.console.conftest import make_view


def make_terminal(width: int, height: int) -> Console:
    return Console(
        file=io.StringIO(), force_terminal=True, width=width, height=height, color_system=None
    )


def render_screen(events: list[Event], console: Console, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the screen at the last step of a run."""
    view = make_view(console, monkeypatch)
    for event in events:
        view.show(event)
    last = [event for event in events if isinstance(event, Step)][-1]
    with console.capture() as output:
        console.print(view._screen.add_step(last))
    return output.get()


def test_generated_text_has_no_escapes_for_what_the_encoding_lacks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = io.BytesIO()
    console = Console(file=io.TextIOWrapper(data, "ascii", "replace", write_through=True))
    view = make_view(console, monkeypatch)
    view.show_text("שלום")
    view.show_message("שלום")
    assert data.getvalue().split() == [b"????", rb"\u05e9\u05dc\u05d5\u05dd"]


def test_each_network_of_a_run_with_teachers_is_named(
    text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = dataclasses.replace(TINY_TRAINING, teachers=2)
    console = Console(file=io.StringIO(), width=200)
    view = make_view(console, monkeypatch)
    with console.capture() as output:
        for event in train(str(text_file), config, TINY_MODEL):
            view.show(event)
    lines = output.get().splitlines()
    assert sum(line.startswith("teachers ") for line in lines) == 1
    starts = ["teacher 1 of 2, seed 2", "teacher 2 of 2, seed 3"]
    starts.append("the network of the run, which also learns from its teachers")
    assert [line for line in lines if line in starts] == starts
    assert any(line.startswith("teacher 1 of 2  epoch 0.04  step 1/30") for line in lines)
    assert any(line.startswith("teacher 2 of 2 finished after") for line in lines)
    assert any(line.startswith("the network of the run  epoch 0.04  step 1/30") for line in lines)
    end = "the network of the run finished (all steps done) at step 30"
    assert any(line.startswith(end) for line in lines)


def test_a_resumed_run_with_teachers_shows_the_run_and_who_stopped(
    text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, stop = dataclasses.replace(TINY_TRAINING, teachers=2), threading.Event()
    for _ in train(str(text_file), config, TINY_MODEL, out_dir="run", stop=stop):
        stop.set()
    console = Console(file=io.StringIO(), width=200)
    view = make_view(console, monkeypatch)
    stop.clear()
    with console.capture() as output:
        for event in resume("run", stop=stop):
            view.show(event)
            if isinstance(event, Step):
                stop.set()
    lines = output.get().splitlines()
    assert sum(line.startswith("teachers  2 networks") for line in lines) == 1
    assert [line.split() for line in lines if line.startswith("run ")] == [["run", "run"]]
    assert "learning rate 0.004, seed 1" in " ".join(output.get().split())
    assert any(line.startswith("teacher 1 of 2 stopped at step 1") for line in lines)


@pytest.mark.parametrize("width", [80, 120])
def test_the_screen_shows_progress_losses_and_a_sample(
    width: int, events: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    output = render_screen(events, make_terminal(width, 30), monkeypatch)
    lines = output.splitlines()
    assert "char/s" in lines[0]
    assert "step 30/30" in lines[1]
    assert "━ train   ━ held out   ━ 5-gram" in output
    assert "loss (bits per character)" in output
    evaluated = [event for event in events if isinstance(event, Evaluated)][-1]
    assert "text generated at step 30:" in output
    first = evaluated.preview.strip("\n").split("\n")[0]
    assert f"    {first[: width - 6]}" in output
    assert max(map(len, lines)) <= width
    assert len(lines) <= 30


def test_a_small_terminal_shows_no_chart(
    events: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    output = render_screen(events, make_terminal(60, 15), monkeypatch)
    assert "step 30/30" in output
    assert "held out" not in output
    assert len(output.splitlines()) <= 15


def test_evaluation_lines_fit_in_80_columns(
    events: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    console = make_terminal(80, 30)
    view = make_view(console, monkeypatch)
    with console.capture() as output:
        for event in events:
            if isinstance(event, Evaluated):
                view.show(event)
    lines = output.get().splitlines()
    assert len(lines) == 3
    assert all(line.startswith("step ") and len(line) <= 80 for line in lines)


def test_the_chart_of_a_resumed_run_includes_the_earlier_losses(
    text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = dataclasses.replace(TINY_TRAINING, max_steps=10)
    finished = list(train(str(text_file), short, TINY_MODEL))[-1]
    assert isinstance(finished, Finished)
    later = list(resume(str(finished.run.path), Budget(max_steps=30)))
    view = make_view(make_terminal(80, 30), monkeypatch)
    view.show(later[0])
    assert [x for x, _ in view._screen._held_out_points] == [10]
    for event in later[1:]:
        view.show(event)
    assert [x for x, _ in view._screen._held_out_points] == [10, 20, 30]


def test_without_a_terminal_progress_is_printed_as_lines(
    events: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = io.StringIO()
    view = make_view(Console(file=file, width=200), monkeypatch)
    for event in events:
        view.show(event)
    output = file.getvalue()
    assert "━" not in output
    assert "step 1/30" in output
    assert output.count("\nstep ") == 3
    evaluated = next(event for event in events if isinstance(event, Evaluated))
    assert "    " + evaluated.preview.strip("\n").split("\n")[0] in output
    assert "finished (all steps done) at step 30" in output


def test_reading_a_text_shows_a_bar_on_a_terminal_and_else_a_line_per_task(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    console = make_terminal(80, 30)
    view = make_view(console, monkeypatch)
    view.show_reading(Reading("reading novel", 1 << 20, 4 << 20))
    assert isinstance(view._live, Live)
    with console.capture() as output:
        console.print(view._live.renderable)
    assert "25%  reading novel" in output.get()

    file = io.StringIO()
    view = make_view(Console(file=file, width=200), monkeypatch)
    for task in ("reading novel", "encoding novel"):
        for done in (1, 2, 3):
            view.show_reading(Reading(task, done << 20, 4 << 20))
    assert file.getvalue().splitlines() == ["reading novel", "encoding novel"]


def test_the_device_of_a_resume_and_the_interval_are_shown(
    events: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    started = events[0]
    assert isinstance(started, Started)
    for eval_every, schedule in ((1, "every step"), (7, "every 7 steps"), (None, "at least ten")):
        file = io.StringIO()
        view = make_view(Console(file=file, width=200), monkeypatch)
        view.show(dataclasses.replace(started, device="cuda", eval_every=eval_every))
        assert f"evaluated {schedule}" in file.getvalue()
        assert "cuda, float32, 1 thread" in file.getvalue()
