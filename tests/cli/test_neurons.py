import json
from pathlib import Path

import pytest

from charrnn.training.events import Finished
from tests.conftest import Cli


@pytest.fixture
def long_text(tmp_path: Path) -> Path:
    path = tmp_path / "long.txt"
    verse = (tmp_path / "verse.txt").read_text()
    path.write_text(verse * 3)
    return path


def test_what_is_found_is_told_as_a_table_and_drawn(
    finished: Finished, long_text: Path, cli: Cli
) -> None:
    outcome = cli("neurons", "--text", long_text)
    assert outcome.code == 0
    assert "line position" in outcome.out
    assert "characters since the line began" in outcome.out
    drawn = cli("neurons", "--text", long_text, "--unit", "2:3", "-n", "30")
    assert "unit 2:3" in drawn.out
    assert "FIRST MILLER:↵\n" in drawn.out


def test_what_is_held_is_told_with_what_it_changes(
    finished: Finished, long_text: Path, cli: Cli
) -> None:

    command = ("neurons", "--text", long_text, "--force", "1:2=on", "--force", "capital=off", "-n")
    told = json.loads(cli(*command, 50, "--json").out)
    assert told["held"]["1:2"] == pytest.approx(0.99)
    assert len(told["held"]) == 2
    assert told["divergence_nats"] > 0
    assert len(told["texts"]["free"]) == len(told["texts"]["forced"]) == 50
    shown = cli(*command, 50)
    assert "1:2 at +0.99" in shown.out
    assert told["texts"]["forced"] in shown.out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--unit", "9:1"), "'9:1' is not a unit of this model"),
        (("--force", "1:2"), "'1:2' does not say how to hold it"),
        (("--force", "1:2=up"), "'up' is no activity: expected on, off or a number from -1 to 1"),
        (("--force", "1:2=2"), "'2' is no activity"),
        (("--force", "rhyme=on"), "'rhyme' is neither a unit nor a feature"),
        (("--force", "comment=on"), "the feature 'comment' does not vary in"),
    ],
)
def test_what_cannot_be_looked_at_is_one_sentence(
    arguments: tuple[str, str],
    sentence: str,
    finished: Finished,
    long_text: Path,
    cli: Cli,
) -> None:
    outcome = cli("neurons", "--text", long_text, *arguments)
    assert outcome.code == 1
    assert sentence in outcome.err.splitlines()[-1]
    assert "Traceback" not in outcome.err
