import hashlib
import json
from pathlib import Path

import pytest

from charrnn.training.events import Finished
from tests.conftest import Cli


def test_resume_with_a_larger_limit_announces_its_schedule(cli: Cli, finished: Finished) -> None:
    outcome = cli("resume", "verse", "--max-steps", 40)
    assert outcome.code == 0
    assert outcome.out == "checkpoints/verse\n"
    assert "schedule is recomputed from step 30" in outcome.err
    assert "40 steps" in outcome.err
    assert "40 steps" in cli("info").out


def test_resume_refuses_a_changed_text_unless_it_is_named(
    cli: Cli, finished: Finished, text_file: Path
) -> None:
    old = finished.run.config.corpus.sha256
    text_file.write_text(text_file.read_text("utf-8") * 3, "utf-8")
    new = hashlib.sha256(text_file.read_bytes()).hexdigest()
    refused = cli("resume", "verse", "--max-steps", 40)
    assert refused.code == 1
    assert f"expected SHA-256 {old}, found {new}" in refused.err
    assert cli("score", "verse", "--corpus", text_file).code == 1
    resumed = cli("resume", "verse", "--max-steps", 40, "--corpus", text_file)
    assert resumed.code == 0
    assert f"another text than before: its SHA-256 is {new}, not {old};" in resumed.err
    again = cli("resume", "verse", "--max-steps", 50)
    assert again.code == 0
    assert "another text" not in again.err
    best = json.loads(cli("info", "verse", "--json").out)["best_step"]
    assert best > 30
    score = json.loads(cli("score", "verse", "--json").out)
    assert score["characters"] == 245


def test_a_note_is_not_a_new_text(cli: Cli, finished: Finished) -> None:
    outcome = cli("resume", "verse", "--max-steps", 32)
    assert "new limit: the learning-rate schedule is recomputed" in outcome.err


def test_a_run_that_continues_with_another_text_shows_that_text(
    cli: Cli, finished: Finished
) -> None:
    text = "to be, or not to be: that is\n" * 40
    Path("other.txt").write_text(text, "utf-8")
    assert "5-gram" in cli("info", "verse").out
    resumed = cli("resume", "verse", "--max-steps", 32, "--corpus", "other.txt")
    again = cli("resume", "verse", "--max-steps", 34)
    info = cli("info", "verse").out
    for shown in (resumed.err, again.err, info):
        assert f"other: {len(text):,} characters" in shown
        assert "5-gram" not in shown  # it was measured on the first text
    facts = json.loads(cli("info", "verse", "--json").out)
    assert (facts["corpus"], facts["characters"]) == ("other", len(text))
    assert facts["baseline"] is None


@pytest.mark.parametrize("flag", ["--learning-rate", "--batch-size", "--dropout"])
def test_resume_names_the_way_to_change_a_setting(cli: Cli, finished: Finished, flag: str) -> None:
    outcome = cli("resume", "verse", flag, "0.1")
    assert (outcome.code, outcome.out) == (2, "")
    assert f"resume has no {flag}: start a new run from its weights with" in outcome.err
    assert f"`charrnn train --init-from RUN {flag} ...`" in outcome.err
    assert "no such option: --stepz" in cli("resume", "verse", "--stepz", 3).err


def test_resume_keeps_the_messages_of_its_own_flags(cli: Cli, finished: Finished) -> None:
    outcome = cli("resume", "verse", "--epochs")
    assert outcome.code == 2
    assert "the settings of a run do not change" not in outcome.err
    network = cli("resume", "verse", "--hidden-size", 16)
    assert "`charrnn train --like RUN --hidden-size ...`" in network.err
    assert "do not change" not in cli("resume", "verse", "--init-from", "x").err
