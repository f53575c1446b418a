"""What a training run shows on a terminal, wide or small, and without a terminal."""

import dataclasses
import io
import threading
from pathlib import Path

import pytest
from rich.console import Console
from rich.live import Live

from charrnn.config.training import Budget
from charrnn.console import training_view
from charrnn.console.training_view import TrainingView
from charrnn.data.corpus import Corpus
from charrnn.data.progress import Reading
from charrnn.training.events import Evaluated, Event, Finished, Started, Step
from charrnn.training.loop import resume, train
from tests.conftest import TINY_MODEL, TINY_TRAINING


@pytest.fixture
def events(text_file: Path) -> list[Event]:
    return list(train(str(text_file), TINY_TRAINING, TINY_MODEL))


def make_view(console: Console, monkeypatch: pytest.MonkeyPatch) -> TrainingView:
    monkeypatch.setattr(training_view, "stderr_console", lambda: console)
    return TrainingView()


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


def show_end(
    run: list[Event],
    rate: float,
    loss: float,
    monkeypatch: pytest.MonkeyPatch,
    *,
    improved: bool = True,
    train_loss: float = 3.5,
) -> str:
    """Return the messages of a run, with another learning rate and other losses."""
    file = io.StringIO()
    view = make_view(Console(file=file, width=200), monkeypatch)
    started, finished = run[0], run[-1]
    assert isinstance(started, Started)
    assert isinstance(finished, Finished)
    training = dataclasses.replace(started.run.config.training, learning_rate=rate)
    config = dataclasses.replace(started.run.config, training=training)
    other = dataclasses.replace(started.run, config=config)
    view.show(dataclasses.replace(started, run=other, config=config))
    evaluated = next(event for event in run if isinstance(event, Evaluated))
    evaluated = dataclasses.replace(evaluated, train_loss=train_loss)
    view.show(dataclasses.replace(evaluated, val_loss=loss, improved=improved))
    view.show(dataclasses.replace(finished, run=other, best_val_loss=loss))
    return file.getvalue()


def test_a_model_that_has_learned_nothing_is_not_called_the_best(
    events: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    output = show_end(events, 10.0, 6.5, monkeypatch)
    assert "best so far" not in output
    assert "not better than a random guess (5.2479 bits)" in output  # log2(38)
    assert (
        "the model has learned nothing, because its loss is not better than a random guess, "
        "3.6376 nats = 5.2479 bits: start again with `charrnn train --learning-rate 0.004`"
    ) in " ".join(output.split())


@pytest.mark.parametrize(
    ("rate", "advice"),
    [
        (1e-9, "start again with `charrnn train --learning-rate 0.004`"),
        (0.002, "train longer, or on more text of the same kind"),
        (0.004, "train longer, or on more text of the same kind"),
        (0.009, "train longer, or on more text of the same kind"),
        (0.01, "start again with `charrnn train --learning-rate 0.004`"),
    ],
)
def test_the_advice_for_a_model_that_has_learned_nothing_depends_on_the_learning_rate(
    events: list[Event], monkeypatch: pytest.MonkeyPatch, rate: float, advice: str
) -> None:
    output = " ".join(show_end(events, rate, 6.5, monkeypatch).split())
    assert "the model has learned nothing" in output
    assert output.endswith(advice)


def test_a_text_of_one_character_leaves_nothing_to_learn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = io.StringIO()
    view = make_view(Console(file=file, width=200), monkeypatch)
    for event in train(Corpus.from_text("a" * 600), TINY_TRAINING, TINY_MODEL):
        view.show(event)
    output = " ".join(file.getvalue().split())
    assert "note: the text has only one distinct character, so there is nothing to learn" in output
    assert "not better than" not in output
    assert "word for word" not in output


@pytest.mark.parametrize(("characters", "is_part"), [(40, True), (1_000_000, False)])
def test_the_end_says_which_held_out_characters_were_read(
    events: list[Event], monkeypatch: pytest.MonkeyPatch, characters: int, is_part: bool
) -> None:
    started = events[0]
    assert isinstance(started, Started)
    training = dataclasses.replace(started.config.training, eval_characters=characters)
    config = dataclasses.replace(started.config, training=training)
    file = io.StringIO()
    view = make_view(Console(file=file, width=200), monkeypatch)
    view.show(dataclasses.replace(started, config=config))
    view.show(events[-1])
    end = file.getvalue().partition("best held-out loss")[2]
    assert end
    part = f"on the first 40 held-out characters (`charrnn score {started.run.path}` reads all)"
    assert (part in end) is is_part


def test_a_model_that_is_worse_than_counting_should_train_longer(
    events: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    output = " ".join(show_end(events, 0.004, 3.5, monkeypatch).split())
    assert "best so far" in output
    assert "the loss is not better than a 5-gram model, " in output
    assert output.endswith("train longer, or on more text of the same kind")
    good = show_end(events, 0.004, 0.01, monkeypatch)
    assert "not better" not in good


def test_a_text_is_too_short_if_the_loss_rises_before_it_is_better_than_counting(
    events: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    output = show_end(events, 0.004, 3.5, monkeypatch, improved=False, train_loss=3.4)
    assert "train longer" in output
    output = show_end(events, 0.004, 3.5, monkeypatch, improved=False, train_loss=2.0)
    assert (
        "the text is too short for this network: add text of the same kind, or start from a model "
        "of similar text with `charrnn train --init-from RUN`"
    ) in " ".join(output.split())


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
