import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from charrnn.data.corpus import Corpus
from charrnn.sampling.novelty import measure_novelty
from charrnn.training.events import Finished
from tests.cli.process import TINY, start_program
from tests.conftest import Cli


def test_sample_prints_only_the_text_to_stdout(cli: Cli, finished: Finished) -> None:
    outcome = cli("sample", "verse", "-n", 50, "-s", 3)
    assert outcome.code == 0
    assert len(outcome.out) == 50
    assert outcome.err == ""
    assert cli("sample", "verse", "-n", 50, "-s", 3) == outcome
    assert cli("sample", "verse", "-n", 50, "-s", 4).out != outcome.out


def test_without_a_seed_a_random_seed_is_shown(cli: Cli, finished: Finished) -> None:
    outcome = cli("sample", "-n", 50)
    assert outcome.err.startswith("newest run: checkpoints/verse\nseed ")
    seed = outcome.err.split()[-1]
    assert cli("sample", "verse", "-n", 50, "-s", seed).out == outcome.out


def test_the_prompt_is_shown_unless_no_prompt_is_given(cli: Cli, finished: Finished) -> None:
    shown = cli("sample", "verse", "-n", 20, "-s", 1, "-p", "The wheel")
    assert shown.out.startswith("The wheel")
    assert len(shown.out) == 29
    hidden = cli("sample", "verse", "-n", 20, "-s", 1, "-p", "The wheel", "--no-prompt")
    assert shown.out == "The wheel" + hidden.out


def test_a_prompt_can_be_read_from_a_file_or_standard_input(
    cli: Cli, finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "prompt.txt").write_text("The wheel\n", "utf-8")
    from_file = cli("sample", "verse", "-n", 20, "-s", 1, "--prompt-file", "prompt.txt")
    assert from_file.out.startswith("The wheel\n")
    with (tmp_path / "prompt.txt").open() as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        assert cli("sample", "verse", "-n", 20, "-s", 1, "--prompt-file", "-") == from_file
    both = cli("sample", "verse", "-p", "a", "--prompt-file", "prompt.txt")
    assert both.code == 2


def test_several_samples_are_separated_by_a_line_of_dashes(cli: Cli, finished: Finished) -> None:
    options = ("sample", "verse", "-n", 30, "-s", 5, "-p", "The ")
    several = cli(*options, "--num-samples", 3)
    texts = several.out.split("\n" + "-" * 40 + "\n")
    assert len(texts) == 3
    assert all(text.startswith("The ") and len(text) == 34 for text in texts)
    assert texts[0] == cli(*options).out


def test_several_temperatures_give_labeled_texts(cli: Cli, finished: Finished) -> None:
    options = ("sample", "verse", "-n", 30, "-s", 5, "-p", "The ")
    single = {value: cli(*options, "-t", value).out for value in ("0.5", "1.0")}
    label = " temperature 0.5 ".center(40, "-") + "\n", " temperature 1.0 ".center(40, "-") + "\n"
    assert cli(*options, "-t", "0.5,1").out == (
        label[0] + single["0.5"] + "\n" + label[1] + single["1.0"]
    )
    several = cli(*options, "-t", "0.5,1", "--num-samples", 2).out
    assert [several.count(line) for line in label] == [2, 2]
    result = json.loads(cli(*options, "-t", "0.5,1", "--json").out)
    assert result["temperature"] == [0.5, 1.0]
    assert [sample["temperature"] for sample in result["samples"]] == [0.5, 1.0]
    assert "The " + result["samples"][1]["text"] == single["1.0"]


def test_empty_samples_are_shown_too(cli: Cli, finished: Finished) -> None:
    outcome = cli("sample", "verse", "-n", 0, "--num-samples", 3, "-p", "The", "-s", 1)
    assert outcome.out.split("\n" + "-" * 40 + "\n") == ["The", "The", "The"]


def test_sample_prints_json(cli: Cli, finished: Finished) -> None:
    result = json.loads(
        cli("sample", "verse", "-n", 9, "-s", 5, "-p", "The", "--num-samples", 2, "--json").out
    )
    assert result["run"] == "checkpoints/verse"
    assert (result["seed"], result["prompt"], result["temperature"]) == (5, "The", 0.9)
    assert [len(sample["text"]) for sample in result["samples"]] == [9, 9]
    assert all(-200 < sample["log_probability"] < 0 for sample in result["samples"])
    assert result["characters_per_second"] == pytest.approx(18 / result["seconds"], rel=0.01)


def test_logprobs_lists_each_character_with_its_likely_characters(
    cli: Cli, finished: Finished
) -> None:
    sample = ("sample", "verse", "-n", 9, "-s", 5, "--json")
    (plain,) = json.loads(cli(*sample).out)["samples"]
    (listed,) = json.loads(cli(*sample, "--logprobs", 2).out)["samples"]
    characters = listed.pop("characters")
    assert listed == plain
    assert "".join(character["character"] for character in characters) == plain["text"]
    given, *sampled = characters  # a text without a prompt starts with a given line start
    assert (given["log_probability"], given["likely"]) == (None, [])
    total = sum(character["log_probability"] for character in sampled)
    assert total == pytest.approx(plain["log_probability"])
    (stopped,) = json.loads(
        cli(*sample, "-p", "The", "--stop", plain["text"][3], "--logprobs", 2).out
    )["samples"]
    first = stopped["characters"][0]
    after = json.loads(cli("next", "verse", "-p", "The", "-n", 2, "--json").out)["next"]
    keys = ("character", "log_probability")
    assert first["likely"] == [{key: character[key] for key in keys} for character in after]
    assert first["character"] == (stopped["text"] or plain["text"][3])[0]
    refused = cli("sample", "verse", "--logprobs", 2)
    assert (refused.code, refused.out) == (2, "")
    assert "--logprobs adds to the output of --json: give --json too" in refused.err


def test_sample_follows_the_rules_of_its_flags(cli: Cli, finished: Finished) -> None:
    rules = ("--acrostic", "the", "--line-length", 20, "--ban", "xyz")
    text = cli("sample", "verse", "-s", 1, *rules).out
    assert [line[0].lower() for line in text.splitlines()] == ["t", "h", "e"]
    assert max(map(len, text.splitlines())) <= 20
    refused = cli("sample", "verse", "--only", "~")
    assert (refused.code, refused.out) == (1, "")
    assert "because only '~' allows none" in refused.err


def test_escapes_are_read_in_the_texts_of_flags(cli: Cli, finished: Finished) -> None:
    sample = ("sample", "verse", "-s", 1, "-n", 200)
    plain = cli(*sample, "-p", "The\n", "--stop", "\n", "--ban", "e\n", "--only", "abc\n")
    escaped = cli(
        *sample, "-e", "-p", r"The\n", "--stop", r"\n", "--ban", r"\x65\n", "--only", r"\u0061bc\n"
    )
    assert plain == escaped
    ended = cli(*sample, "--escape", "-p", r"The\x20", "--stop", r"\n")
    assert ended.out.startswith("The ")
    assert 4 < len(ended.out) < 204
    assert "\n" not in ended.out
    for flag in ("-p", "--stop", "--ban", "--only"):
        refused = cli(*sample, "-e", flag, r"a\q")
        assert (refused.code, refused.out) == (2, "")
        assert r"\q is not an escape" in refused.err
    unescaped = cli(*sample, "-p", r"The\n")
    assert unescaped.code == 1
    assert r"read \n as a line break with --escape" in unescaped.err


def test_a_decimal_comma_in_the_temperature_is_wrong_usage(cli: Cli) -> None:
    refused = cli("sample", "bard", "-t", "0,8")
    assert (refused.code, refused.out) == (2, "")
    assert "write 0.8" in refused.err


def test_sample_reports_copied_text_and_limits_it(
    cli: Cli, finished: Finished, text_file: Path
) -> None:
    sample = ("sample", "verse", "-s", 1, "-n", 200, "-t", "0,1", "--novelty", text_file)
    reports = [line for line in cli(*sample).err.splitlines() if "longest passage" in line]
    assert [line.partition(":")[0] for line in reports] == ["temperature 0.0", "temperature 1.0"]
    assert all(f"copied from {text_file.stem} has" in line for line in reports)
    samples = json.loads(cli(*sample, "--json").out)["samples"]
    results = [sample["novelty"] for sample in samples]
    assert results[1]["longest"] > 1
    assert all(result["passage"] in text_file.read_text("utf-8") for result in results)
    text = cli("sample", "verse", "-s", 1, "-n", 200, "-t", 1, "--max-copy", 1).out
    assert measure_novelty(text, Corpus.open(text_file)).longest == 1


def test_sample_adapts_to_a_draft_and_continues_it(
    cli: Cli, finished: Finished, text_file: Path
) -> None:
    Path("draft.txt").write_text("The wheel goes round, and round, and round, and" * 9, "utf-8")
    fixed = ("--seed", 1, "-n", 40)
    unadapted = cli("sample", "verse", *fixed)
    adapted = cli("sample", "verse", "--adapt", "draft.txt", *fixed)
    assert adapted.code == unadapted.code == 0
    assert len(adapted.out) == len(unadapted.out) == 40
    assert adapted.out != unadapted.out
    prompted = cli("sample", "verse", "--adapt", "draft.txt", "-p", "The ", *fixed)
    assert prompted.out.startswith("The ")
    assert cli("sample", "verse", *fixed).out == unadapted.out
    Path("empty.txt").write_text("a", "utf-8")
    refused = cli("sample", "verse", "--adapt", "empty.txt")
    assert refused.code == 1
    assert "at least 2" in refused.err


def test_a_closed_pipe_is_not_an_error(finished: Finished) -> None:
    with start_program("sample", "verse", "-n", 1_000_000, "-s", 1) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.read(20)
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0


def test_on_a_terminal_text_appears_and_ends_with_one_line_break(finished: Finished) -> None:
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "charrnn", "sample", "verse", "-n", "40", "-s", "1"],
        stdout=follower,
        stderr=subprocess.DEVNULL,
    )
    assert process.wait(timeout=60) == 0
    os.close(follower)
    shown = os.read(leader, 10_000).decode().replace("\r\n", "\n")
    os.close(leader)
    assert shown.endswith("\n")
    assert not shown.endswith("\n\n")
    assert 30 <= len(shown) <= 41


def test_texts_are_read_as_the_text_of_the_run(
    cli: Cli, finished: Finished, text_file: Path
) -> None:
    lines = text_file.read_text("utf-8")
    Path("crlf.txt").write_bytes(lines.replace("\n", "\r\n").encode())
    cli("train", "crlf.txt", "--newline", "lf", "-o", "run", *TINY)
    options = ("sample", "run", "-n", 200, "-s", 1)
    from_file = cli(*options, "--prompt-file", "crlf.txt")
    assert from_file.out.startswith(lines)
    assert cli(*options, "-p", "the wheel\r\n").out.startswith("the wheel\n")
    assert cli(*options, "--adapt", "crlf.txt").code == 0
    figures = [cli(*options, "--novelty", name, "--json") for name in ("crlf.txt", "verse.txt")]
    novelties = [json.loads(outcome.out)["samples"][0]["novelty"] for outcome in figures]
    assert novelties[0] == novelties[1]
    limited = cli(*options, "--max-copy", 3, "--novelty", "crlf.txt", "--json")
    (sample,) = json.loads(limited.out)["samples"]
    assert sample["novelty"]["longest"] <= 3
    kept = cli(*options, "--prompt-file", "crlf.txt", "--newline", "keep")
    assert kept.code == 1
    assert "carriage return (U+000D)" in kept.err


def test_max_copy_compares_with_the_current_text_of_the_run(
    cli: Cli, finished: Finished, text_file: Path
) -> None:
    Path("other.txt").write_text(text_file.read_text("utf-8")[::-1], "utf-8")
    cli("resume", "verse", "--corpus", "other.txt", "--max-steps", 32)
    options = ("sample", "verse", "--checkpoint", "last", "-n", 200, "-s", 1, "--max-copy", 3)
    limited = cli(*options)
    assert measure_novelty(limited.out, Corpus.open("other.txt")).longest == 3
    Path("other.txt").unlink()
    missing = cli(*options)
    assert missing.code == 1
    assert "give the text with --novelty FILE" in missing.err
    assert "--corpus" not in missing.err


def test_a_literal_escape_in_the_prompt_is_explained(cli: Cli, finished: Finished) -> None:
    outcome = cli("sample", "verse", "-p", r"The wheel\n")
    assert outcome.code == 1
    assert r"backslash (U+005C)" in outcome.err
    assert cli("sample", "verse", "-p", "\\").err.count("$'") == 0
