from pathlib import Path

import pytest

from charrnn.config.training import LONG_RUN_LEARNING_RATE, TrainConfig
from charrnn.data.corpus import Corpus
from charrnn.training.setup import new_run
from charrnn.training.setup.new_run import prepare_new_run
from tests.conftest import TINY_MODEL


@pytest.fixture
def text() -> Corpus:
    return Corpus.from_text("the quick brown fox jumps over the lazy dog\n" * 400)


@pytest.mark.parametrize(("seconds", "dropout", "weight_drop"), [(0.04, 0, 0), (2e-5, 0.3, 0.4)])
def test_a_time_limit_is_planned_from_the_measured_speed(
    seconds: float,
    dropout: float,
    weight_drop: float,
    text: Corpus,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(new_run, "seconds_per_step", lambda *arguments: seconds)
    prepared = prepare_new_run(
        text, TrainConfig(max_time=1.0, device="cpu"), TINY_MODEL, out_dir=tmp_path / "run"
    )
    config = prepared.trainer.run.config.training
    passes = 0.9 / seconds * config.characters_per_step / prepared.trainer.training_characters
    assert (config.dropout, config.weight_drop) == (dropout, weight_drop)
    assert f"about {passes:,.2g} passes" in prepared.notes[-1]
    assert f"dropout {dropout:g}, " in prepared.notes[-1]
    assert prepared.trainer.progress.step == 0
    assert not (tmp_path / "run").exists()


def test_specified_settings_have_precedence_over_the_plan(text: Corpus, tmp_path: Path) -> None:
    config = TrainConfig(max_time=0.5, dropout=0.25, weight_decay=0.5, device="cpu")
    prepared = prepare_new_run(text, config, TINY_MODEL, out_dir=tmp_path / "run")
    training = prepared.trainer.run.config.training
    assert (training.dropout, training.weight_decay) == (0.25, 0.5)
    assert ", for which charrnn chose output dropout " in prepared.notes[-1]
    assert "0.25" not in prepared.notes[-1]
    assert "weight decay" not in prepared.notes[-1]


def test_a_short_run_from_other_weights_keeps_the_learning_rate_of_a_long_one(
    text: Corpus, tmp_path: Path
) -> None:
    def learning_rate(init_from: str | None, specified: float | None = None) -> float:
        config = TrainConfig(max_steps=500, device="cpu", learning_rate=specified)
        prepared = prepare_new_run(text, config, out_dir=tmp_path / "run", init_from=init_from)
        return prepared.trainer.run.config.training.learning_rate

    assert learning_rate("bard") == LONG_RUN_LEARNING_RATE < learning_rate(None)
    assert learning_rate("bard", 0.5) == 0.5
