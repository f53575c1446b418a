import io
import json
import sys
from pathlib import Path

import pytest

from charrnn.runs.run import Run
from charrnn.training.events import Finished
from tests.cli.process import TINY
from tests.conftest import Cli


def test_score_of_the_held_out_text_of_a_file_and_of_several_runs(
    cli: Cli, finished: Finished, text_file: Path
) -> None:
    held_out = json.loads(cli("score", "verse", "--json").out)
    assert held_out["characters"] == 81
    best = finished.best_val_loss
    assert held_out["nats_per_char"] == pytest.approx(best, rel=1e-4)
    assert held_out["bits_per_char"] == pytest.approx(
        held_out["nats_per_char"] / 0.6931472, rel=1e-6
    )
    assert held_out["run"] == "checkpoints/verse"
    text = json.loads(cli("score", "verse", text_file, "--json").out)
    assert text["characters"] == 819
    several = json.loads(
        cli("score", "--run", "verse", "--run", "verse", text_file, text_file, "--json").out
    )
    assert len(several) == 4
    table = cli("score", text_file, "--context", 16)
    assert table.code == 0
    assert "windows of 16 characters" in table.out
    assert "819" in table.out


def test_score_opens_a_run_once(
    cli: Cli, finished: Finished, text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []
    open_run = Run.open

    def record_and_open(path: Path) -> Run:
        opened.append(path)
        return open_run(path)

    monkeypatch.setattr(Run, "open", record_and_open)
    assert cli("score", "verse", text_file).code == 0
    assert opened == [Path("checkpoints/verse")]


def test_score_adapts_a_copy_and_does_not_change_the_run(
    cli: Cli, finished: Finished, text_file: Path
) -> None:
    static = json.loads(cli("score", "verse", text_file, "--json").out)
    adapted = json.loads(cli("score", "verse", text_file, "--adapt", "--json").out)
    assert (static["adapted"], adapted["adapted"]) == (False, True)
    assert adapted["characters"] == static["characters"]
    assert adapted["nats_per_char"] != static["nats_per_char"]
    assert 0 < adapted["standard_error"] < 0.5
    assert cli("score", "verse", text_file, "--adapt").out.count("adapted while reading") == 1
    assert json.loads(cli("score", "verse", text_file, "--json").out) == static
    assert cli("score", "verse", "--adapt", "--context", 9).code == 2


def test_scores_are_ranked(cli: Cli, finished: Finished, text_file: Path) -> None:
    Path("noise.txt").write_text("zwvyk" * 50, "utf-8")
    rows = json.loads(
        cli("score", "verse", "noise.txt", text_file, "--unknown", "skip", "--json").out
    )
    assert [row["text"] for row in rows] == [str(text_file), "noise.txt"]
    shorter = cli(
        "train", text_file, "-o", "shorter", "--max-steps", 2, "--batch-size", 4, "--seq-length", 8,
        "--hidden-size", 8, "--num-layers", 1, "--eval-every", 1,
    )  # fmt: skip
    assert shorter.code == 0
    both = ("score", "--run", "shorter", "--run", "verse", text_file, "noise.txt")
    rows = json.loads(cli(*both, "--unknown", "skip", "--json").out)
    assert [row["text"] for row in rows] == [str(text_file)] * 2 + ["noise.txt"] * 2
    assert rows[0]["run"] == "checkpoints/verse"
    assert rows[0]["nats_per_char"] < rows[1]["nats_per_char"]


def test_score_names_unknown_characters_or_skips_them(cli: Cli, finished: Finished) -> None:
    Path("other.txt").write_text("The wheel ~ goes\n", "utf-8")
    refused = cli("score", "verse", "other.txt")
    assert refused.code == 1
    assert "the model of checkpoints/verse cannot read other.txt: these char" in refused.err
    assert "'~' (U+007E)" in refused.err
    assert cli("score", "verse", "other.txt", "--unknown", "skip", "--json").code == 0


def test_a_text_too_short_for_a_standard_error_is_named_in_the_table(
    cli: Cli, finished: Finished
) -> None:
    Path("short.txt").write_text("The wheel goes\n", "utf-8")
    assert "- (text too short)" in cli("score", "verse", "short.txt").out


def test_per_char_shows_the_loss_of_each_character(
    finished: Finished, text_file: Path, cli: Cli
) -> None:
    outcome = cli("score", text_file, "--per-char", "-n", "20")
    assert outcome.code == 0
    assert outcome.out.startswith("FIRST MILLER:↵\n")
    assert "the most surprising lines" in outcome.out
    report = json.loads(cli("score", text_file, "--per-char", "--json").out)
    plain = json.loads(cli("score", text_file, "--json").out)
    assert report["bits_per_char"] == pytest.approx(plain["bits_per_char"], abs=1e-5)
    assert len(report["nats"]) == report["characters"] == plain["characters"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--per-char", "--adapt"),
        ("--per-char", "--context", 8),
        ("--per-char", "--run", "verse", "--run", "verse"),
        ("--out", "x.html"),
        ("-n", 5),
    ],
)
def test_flags_that_cannot_be_combined_are_wrong_usage(
    arguments: tuple[object, ...], finished: Finished, cli: Cli
) -> None:
    assert cli("score", *arguments).code == 2


def test_standard_input_is_decoded_as_the_text_of_each_run(
    cli: Cli, text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = text_file.read_text("utf-8").replace("water", "wäter")
    for name, encoding in {"one": "cp1252", "two": "cp437"}.items():
        Path(f"{name}.txt").write_bytes(text.encode(encoding))
        cli("train", f"{name}.txt", "--encoding", encoding, "-o", name, *TINY)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("a wäter".encode("cp1252"))))
    both = cli("score", "--run", "one", "--run", "two", "-")
    assert both.code == 1
    assert "the model of two cannot read standard input" in both.err
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"the water runs\r\naway")))
    scored = cli("score", "--run", "one", "--run", "two", "--newline", "lf", "--json", "-")
    assert [row["characters"] for row in json.loads(scored.out)] == [18, 18]


def test_the_score_of_documents_is_that_of_each_alone(cli: Cli, text_file: Path) -> None:
    assert cli("train", text_file, "--document-separator", "\n", *TINY).code == 0
    documents = ["The mill", "he", "arm", "he"]
    Path("all.txt").write_text("\n".join(documents))
    result = json.loads(cli("score", "all.txt", "--json").out)
    assert (result["documents"], result["characters"]) == (4, sum(map(len, documents)) + 4)
    total = 0.0
    for document in documents:
        Path("one.txt").write_text(f"{document}\n")
        one = json.loads(cli("score", "one.txt", "--json").out)
        assert one["characters"] == len(document) + 1
        assert one["nats_per_document"] == pytest.approx(one["nats_per_char"] * one["characters"])
        total += one["nats_per_document"]
    assert result["nats_per_char"] * result["characters"] == pytest.approx(total, rel=1e-5)
    assert result["nats_per_document"] == pytest.approx(total / 4, rel=1e-5)
    assert "(each document is read from its start)" in cli("score", "all.txt").out
    adapted = json.loads(cli("score", "all.txt", "--adapt", "--json").out)
    assert adapted["characters"] == result["characters"]
    assert cli("score", "all.txt", "--context", 4).code == 1
