from pathlib import Path

import pytest

from charrnn.training.events import Finished
from tests.cli.process import TINY
from tests.conftest import VERSE, Cli


def test_the_home_folder_is_expanded_in_every_path(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    (home / "verse.txt").write_text(VERSE * 4, "utf-8")
    trained = cli("train", "~/verse.txt", *TINY, "--out-dir=~/run")
    assert trained.out == f"{home / 'run'}\n"
    assert (home / "run" / "config.json").is_file()
    assert cli("score", "~/run", "~/verse.txt").code == 0
    sampled = cli("sample", "~/run", "--prompt-file", "~/verse.txt", "-n", 1, "--unknown", "skip")
    assert sampled.code == 0
    assert cli("sample", "~/run", "-n", 50, "--novelty", "~/verse.txt").code == 0
    assert cli("sample", "~/run", "-n", 5, "--adapt", "~/verse.txt").code == 0
    assert cli("plot", "~/run", "-o", "~/loss.svg").code == 0
    assert (home / "loss.svg").is_file()
    assert cli("export", "~/run", "-o", "~/model.safetensors").code == 0
    assert (home / "model.safetensors").is_file()
    resumed = cli("resume", "~/run", "--max-steps", 30, "--corpus", "~/verse.txt")
    assert resumed.code == 0
    assert not Path("~").exists()


def test_a_literal_tilde_is_a_name_after_a_dot(cli: Cli) -> None:
    Path("~").write_text(VERSE * 4, "utf-8")
    assert cli("train", "./~", *TINY, "-o", "run").code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["plot", "page", "-o", "page.html"],
        ["score", "page", "--per-char", "-o", "page.html"],
        ["score", "bard", "page.html", "--per-char", "-o", "page.html"],
        ["neurons", "bard", "--text", "page.html", "-o", "page.html"],
        ["export", "page", "-o", "page.html"],
    ],
)
def test_a_result_does_not_replace_a_text(arguments: list[str], cli: Cli) -> None:
    text = VERSE * 4
    Path("page.html").write_text(text, "utf-8")
    assert cli("train", "page.html", *TINY).code == 0
    outcome = cli(*arguments)
    assert outcome.code in (1, 2)
    assert "so the result cannot be written to it" in outcome.err
    assert Path("page.html").read_text("utf-8") == text


def test_skipped_files_are_listed(cli: Cli, finished: Finished) -> None:
    Path("photo.jpg").write_bytes(b"\xff\xd8\xff\xe0\0\x10JFIF")
    outcome = cli("train", ".", *TINY, "-o", "out")
    assert outcome.code == 0
    assert "note: skipped 1 run: checkpoints/verse" in outcome.err
    assert "note: skipped 1 file that is not utf-8 text: photo.jpg" in outcome.err
    assert cli("resume", "out", "--max-steps", "25").code == 0
    strict = cli("train", ".", *TINY, "--strict")
    assert strict.code == 1
    assert "is a safetensors file, not plain text" in strict.err
