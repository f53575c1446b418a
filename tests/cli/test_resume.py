import hashlib
import json
from pathlib import Path

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
