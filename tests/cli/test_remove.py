import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from charrnn.training.events import Finished
from tests.conftest import Cli


def test_a_run_is_removed_without_a_question(cli: Cli, finished: Finished) -> None:
    (finished.run.path / "notes.txt").write_text("mine", "utf-8")
    outcome = cli("remove", "verse", "--yes")
    assert (outcome.code, outcome.out) == (0, "")
    assert "removed checkpoints/verse (" in outcome.err
    assert "other files remain there: notes.txt" in outcome.err
    assert [path.name for path in finished.run.path.iterdir()] == ["notes.txt"]


def test_without_a_terminal_yes_is_needed(cli: Cli, finished: Finished) -> None:
    outcome = cli("remove", "verse")
    assert (outcome.code, outcome.out) == (2, "")
    assert "give --yes" in outcome.err
    assert finished.run.checkpoints()


@pytest.mark.parametrize("name", ["bard", "missing", "model.safetensors", "."])
def test_only_a_run_can_be_removed(name: str, cli: Cli, finished: Finished) -> None:
    assert cli("export", "verse", "-o", "model.safetensors").code == 0
    outcome = cli("remove", name, "--yes")
    assert (outcome.code, outcome.out) == (1, "")
    assert Path("model.safetensors").exists()
    assert cli("verify", "bard").code == 0


@pytest.mark.parametrize("answer", ["y", "n", ""])
def test_a_run_is_removed_after_the_answer_yes(answer: str, finished: Finished) -> None:
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "charrnn", "remove", "verse"],
        stdin=follower,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(follower)
    os.write(leader, f"{answer}\n".encode())
    out, err = process.communicate(timeout=60)
    os.close(leader)
    assert out == ""
    assert "Remove checkpoints/verse (" in err
    assert process.returncode == (0 if answer == "y" else 1)
    assert ("nothing was removed" in err) == (answer != "y")
    assert finished.run.path.exists() == (answer != "y")
