"""The last messages of a training run: the best loss, and advice."""

import dataclasses
import io

import pytest
from rich.console import Console

from charrnn.data.corpus import Corpus
from charrnn.training.events import Evaluated, Event, Finished, Started
from charrnn.training.loop import train
from tests.conftest import TINY_MODEL, TINY_TRAINING
from tests.console.conftest import make_view


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
