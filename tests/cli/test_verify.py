from pathlib import Path

import pytest

from charrnn.training.events import Finished
from tests.conftest import Cli


def test_verify_reports_an_intact_run(finished: Finished, cli: Cli) -> None:
    outcome = cli("verify", "verse")
    assert outcome.code == 0
    assert outcome.out.count("intact") == 3  # two checkpoints and the curves
    assert "all files are intact" in outcome.err


@pytest.mark.parametrize(
    "name",
    ["model.safetensors", "trainer.safetensors", "gradient_squares.safetensors", "state.json"],
)
def test_verify_reports_damage_with_exit_code_1(finished: Finished, cli: Cli, name: str) -> None:
    path = finished.run.path / "step-00000020" / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    outcome = cli("verify", "verse")
    assert outcome.code == 1
    assert "1 of 3 is damaged" in outcome.err
    assert outcome.out.count("intact") == 2


def test_verify_reports_a_damaged_row_of_the_metrics(finished: Finished, cli: Cli) -> None:
    path = finished.run.metrics_path
    path.write_bytes(path.read_bytes().replace(b"}", b"?", 1))
    outcome = cli("verify", "verse", "--json")
    assert outcome.code == 1
    assert "line 1 of 6 is not a row" in outcome.out


def test_verify_reports_a_damaged_config(finished: Finished, cli: Cli) -> None:
    path = finished.run.path / "config.json"
    path.write_bytes(path.read_bytes().replace(b'"seed": 1', b'"seed": 2'))
    outcome = cli("verify", "verse")
    assert outcome.code == 1
    assert "2 of 3 are damaged" in outcome.err


@pytest.mark.parametrize("name", ["model.safetensors", "gradient_squares.safetensors"])
def test_commands_use_an_intact_checkpoint_and_warn(
    name: str, finished: Finished, cli: Cli
) -> None:
    path = finished.run.path / "step-00000030" / name
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    for command in (["sample", "verse", "-n", "5"], ["score", "verse", "--json"]):
        outcome = cli(*command)
        assert outcome.code == 0
        assert "is damaged: expected SHA-256" in outcome.err
        assert "; charrnn uses step-00000020 instead" in outcome.err
        assert outcome.err.count("warning: ") == 1
    resumed = cli("resume", "verse", "--max-steps", "31")
    assert resumed.code == 0
    assert "is recomputed from step 20" in resumed.err
    assert Path("checkpoints/verse/step-00000031").is_dir()
    assert cli("verify", "verse").code == 0
