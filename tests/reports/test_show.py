import re

import pytest

import charrnn
from charrnn.config.dynamic_evaluation import AdaptConfig
from charrnn.model.loading import load
from charrnn.training.events import Finished
from charrnn.training.loop import resume
from tests.conftest import VERSE


def test_events_are_trained_and_displayed(
    finished: Finished, capfd: pytest.CaptureFixture[str]
) -> None:
    last = charrnn.show(resume("verse", charrnn.Budget(max_steps=40)))
    assert last is not None
    assert (last.step, last.reason) == (40, "max_steps")
    out, err = capfd.readouterr()
    assert out == ""
    assert re.search(r"step 40 .*held-out \d\.\d+ nats", err)


def test_a_score_is_displayed_with_its_text(
    finished: Finished, capfd: pytest.CaptureFixture[str]
) -> None:
    model = load("verse")
    score = charrnn.score(model, VERSE)
    assert score.text == VERSE
    assert len(score.nats_N) == score.characters == len(VERSE) - 1
    assert score.nats_N.mean() == pytest.approx(score.nats_per_char)
    assert "nats_N" not in repr(score)
    assert charrnn.show(score) is None
    shown = capfd.readouterr().out
    first_line = VERSE.partition("\n")[0]
    assert f"{first_line}↵" in shown
    assert f"over {len(VERSE) - 1:,} characters" in " ".join(shown.split())
    adapted = charrnn.score(model, VERSE, adapt=AdaptConfig(segment=20))
    assert len(adapted.nats_N) == len(VERSE) - 1


def test_a_model_and_a_run_are_displayed(
    finished: Finished, capfd: pytest.CaptureFixture[str]
) -> None:
    charrnn.show(load("verse", device="cpu"))
    shown = capfd.readouterr().out
    assert "2 layers of 16 lstm units" in shown
    assert "38 characters" in shown
    charrnn.show("verse")
    assert "checkpoints/verse" in capfd.readouterr().out
