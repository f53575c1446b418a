"""`train --config FILE`, `train --like RUN`, `train --dry-run --json` and `info --json`."""

import json
from pathlib import Path
from typing import Any

import pytest

from charrnn.runs.find import find_run
from charrnn.training.events import Finished
from tests.cli.process import TINY
from tests.conftest import Cli


def train_with(cli: Cli, text_file: Path, *flags: object) -> Any:
    outcome = cli("train", text_file, "-o", "run", "--quiet", *flags)
    assert outcome.code == 0, outcome.err
    return find_run("run").config


def test_a_settings_file_has_the_names_of_the_flags(cli: Cli, text_file: Path) -> None:
    Path("settings.toml").write_text(
        'hidden-size = 12\nnum_layers = 1\ncell = "gru"\nmax-time = "1h"\nmax-steps = 3\n'
        'documents = false\nlearning-rate = 1e-3\ndevice = "cpu"\n',
        "utf-8",
    )
    config = train_with(
        cli, text_file, "--config", "settings.toml", "--hidden-size", 16, "--max-steps", 2
    )
    assert (config.model.hidden_size, config.model.num_layers, config.model.cell) == (16, 1, "gru")
    assert config.training.learning_rate == 0.001
    # A limit among the flags replaces those of the file.
    assert (config.training.max_time, config.training.max_steps) == (None, 2)


def test_the_output_of_info_repeats_a_run(cli: Cli, text_file: Path) -> None:
    assert cli("train", text_file, "-o", "first", *TINY, "--dropout", 0.3, "--seed", 4).code == 0
    Path("info.json").write_text(cli("info", "first", "--json").out, "utf-8")
    train_with(cli, text_file, "--config", "info.json")
    first, second = (find_run(name).select("last") for name in ("first", "run"))
    assert first.origin.sha256 == second.origin.sha256
    assert first.run.config == second.run.config


def test_like_uses_the_settings_of_a_run_for_another_text(cli: Cli, finished: Finished) -> None:
    other = Path("other.txt")
    other.write_text("another text\n" * 50, "utf-8")
    before = finished.run.config
    config = train_with(cli, other, "--like", "verse", "--dropout", 0.1)
    assert config.model == before.model
    assert config.training.dropout == 0.1
    assert config.training.max_steps == before.training.max_steps == 30
    for name in ("seq_length", "batch_size", "learning_rate", "seed", "weight_decay"):
        assert getattr(config.training, name) == getattr(before.training, name)
    assert config.corpus.name == "other"


@pytest.mark.parametrize("order", [("--like", "--config"), ("--config", "--like")])
def test_a_settings_file_takes_precedence_over_a_run(
    order: tuple[str, str], cli: Cli, finished: Finished, text_file: Path
) -> None:
    Path("settings.toml").write_text("hidden-size = 8\n", "utf-8")
    values = {"--like": "verse", "--config": "settings.toml"}
    flags = [word for name in order for word in (name, values[name])]
    config = train_with(cli, text_file, *flags, "--max-steps", 1)
    assert (config.model.hidden_size, config.model.num_layers) == (8, 2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("hiden-size = 3", "there is no setting hiden-size (did you mean hidden-size?)"),
        ("like = 'verse'", "there is no setting like"),
        ("[model]\ncell = 'gru'", "there is no setting model"),
        ("dropout = 3", "--dropout must be a number from 0 to 0.95, not 3"),
        ("max-steps = 3\nmax_steps = 4", "settings.toml has two values for max_steps"),
        ("cell = 'x'", "--cell must be one of lstm, gru, rnn, not 'x'"),
        ("max-time = 'soon'", "'soon' is not a duration"),
        ("dropout = [0.1]", "dropout must be a text, a number, true or false, not [0.1]"),
        ("dropout 3", "settings.toml is not valid TOML"),
        ("\x00", "settings.toml is not valid TOML"),
    ],
)
def test_a_wrong_settings_file_is_explained(
    content: str, message: str, cli: Cli, text_file: Path
) -> None:
    Path("settings.toml").write_text(content, "utf-8")
    outcome = cli("train", text_file, "--config", "settings.toml")
    assert (outcome.code, outcome.out) == (1, "")
    assert message in outcome.err
    assert "settings.toml" in outcome.err or "--config" in outcome.err
    assert not Path("checkpoints").exists()


def test_other_files_are_no_settings(cli: Cli) -> None:
    Path("list.json").write_text("[]", "utf-8")
    Path("bad.json").write_text("{", "utf-8")
    for name, message in (
        ("list.json", "must contain one JSON object"),
        ("bad.json", "is not valid JSON"),
        ("missing.toml", "cannot be read"),
        (".", "cannot be read"),
    ):
        outcome = cli("train", "--config", name)
        assert outcome.code == 1
        assert message in outcome.err
    assert cli("train", "--like", "missing").code == 1


def test_a_dry_run_prints_json_that_is_accepted_as_settings(cli: Cli, text_file: Path) -> None:
    assert cli("train", text_file, "--json").code == 2
    small = ("--hidden-size", 8, "--num-layers", 1, "--device", "cpu", "--max-steps", 2)
    outcome = cli("train", text_file, *small, "--dry-run", "--json")
    result = json.loads(outcome.out)
    assert result["corpus"] == "verse"
    assert result["training_characters"] + result["held_out_characters"] == result["characters"]
    assert result["counts"][" "] == text_file.read_text("utf-8").count(" ")
    assert result["parameters"] > 0
    assert not Path("checkpoints").exists()
    Path("dry.json").write_text(outcome.out, "utf-8")
    config = train_with(cli, text_file, "--config", "dry.json")
    assert config.training.max_steps == 2
    assert config.training.batch_size == result["settings"]["batch_size"]


def test_limits_of_a_settings_file_replace_those_of_a_run(
    cli: Cli, finished: Finished, text_file: Path
) -> None:
    Path("settings.toml").write_text("epochs = 1\n", "utf-8")
    config = train_with(cli, text_file, "--like", "verse", "--config", "settings.toml")
    assert (config.training.epochs, config.training.max_steps) == (1, None)


def test_like_with_another_held_out_part_has_its_default_patience(
    cli: Cli, finished: Finished, text_file: Path
) -> None:
    assert finished.run.config.training.patience == 10
    config = train_with(cli, text_file, "--like", "verse", "--val-fraction", 0)
    assert config.training.patience == 0
    again = cli("train", text_file, "-o", "again", "-q", "--like", "run", "--val-fraction", 0.1)
    assert again.code == 0
    assert find_run("again").config.training.patience == 10
