import json
import re
from pathlib import Path

import pytest

from charrnn.analysis.units import FeatureUnits
from charrnn.training.events import Finished
from tests.cli.process import TINY
from tests.conftest import Cli


@pytest.fixture
def long_text(tmp_path: Path) -> Path:
    path = tmp_path / "long.txt"
    verse = (tmp_path / "verse.txt").read_text()
    path.write_text(verse * 3)
    return path


def test_units_are_shown_as_a_table_and_over_the_text(
    finished: Finished, long_text: Path, cli: Cli
) -> None:
    outcome = cli("neurons", "--text", long_text)
    assert outcome.code == 0
    assert "line position" in outcome.out
    assert "characters since the line began" in outcome.out
    single_unit = cli("neurons", "--text", long_text, "--unit", "2:3", "-n", "30")
    assert "unit 2:3" in single_unit.out
    assert "FIRST MILLER:↵\n" in single_unit.out


def test_clamped_units_are_shown_with_their_effect(
    finished: Finished, long_text: Path, cli: Cli
) -> None:
    command = ("neurons", "--text", long_text, "--force", "1:2=on", "--force", "capital=off", "-n")
    report = json.loads(cli(*command, 50, "--json").out)
    assert report["held"]["1:2"] == pytest.approx(0.99)
    assert len(report["held"]) == 2
    assert report["divergence_nats"] > 0
    assert len(report["texts"]["free"]) == len(report["texts"]["forced"]) == 50
    shown = cli(*command, 50)
    assert "1:2 at +0.99" in shown.out
    assert report["texts"]["forced"] in shown.out


def test_a_warning_names_the_unit_that_is_clamped_for_a_feature_without_a_significant_unit(
    finished: Finished, long_text: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("neurons", "--text", long_text, "--force", "capital=off", "--json")
    monkeypatch.setattr(FeatureUnits, "is_significant", True)
    assert "warning" not in cli(*command).err
    monkeypatch.setattr(FeatureUnits, "is_significant", False)
    outcome = cli(*command)
    (unit,) = json.loads(outcome.out)["held"]
    assert outcome.code == 0
    assert re.search(
        rf"^warning: no unit follows capital well enough \(r = [+-]0\.\d\d\): "
        rf"clamping the best one, {unit}$",
        outcome.err,
        re.M,
    )


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("--unit", "9:1"), 1, "'9:1' is not a unit of this model"),
        (("--unit", "up"), 2, "'up' is not a unit: expected LAYER:NUMBER"),
        (("--unit", "0:1"), 2, "'0:1' is not a unit: expected LAYER:NUMBER"),
        (("--force", "9:1=on"), 1, "'9:1' is not a unit of this model"),
        (("--force", "1:2"), 2, "'1:2' has no activity: expected UNIT=ACTIVITY"),
        (("--force", "1:2=up"), 2, "'up' is not an activity: expected on, off or a number"),
        (("--force", "1:2=2"), 2, "'2' is not an activity"),
        (("--force", "1:2=nan"), 2, "'nan' is not an activity"),
        (("--force", "rhyme=on"), 2, "'rhyme' is neither a unit nor a feature"),
        (("--force", "comment=on"), 1, "the feature 'comment' does not vary in"),
    ],
)
def test_a_wrong_unit_or_feature_prints_one_sentence(
    arguments: tuple[str, str],
    code: int,
    sentence: str,
    finished: Finished,
    long_text: Path,
    cli: Cli,
) -> None:
    outcome = cli("neurons", "--text", long_text, *arguments)
    assert outcome.code == code
    assert sentence in outcome.err.splitlines()[-1]
    assert "Traceback" not in outcome.err


def test_the_text_is_read_as_the_text_of_the_run(cli: Cli, text_file: Path) -> None:
    Path("crlf.txt").write_bytes(text_file.read_bytes().replace(b"\n", b"\r\n"))
    cli("train", "crlf.txt", "--newline", "lf", "-o", "run", *TINY)
    results = [
        json.loads(cli("neurons", "run", "--text", name, "--unit", "1:3", "--json").out)
        for name in ("crlf.txt", "verse.txt")
    ]
    assert results[0]["drawings"] == results[1]["drawings"]
    assert cli("neurons", "run", "--text", "crlf.txt", "--newline", "keep").code == 1
