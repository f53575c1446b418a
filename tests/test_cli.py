import dataclasses
import hashlib
import inspect
import json
import math
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import Outcome

from charrnn import cli as cli_module
from charrnn.config.training import Budget, ModelConfig, SampleConfig, TextConfig, TrainConfig
from charrnn.data import catalogue, downloads
from charrnn.data.corpus import Corpus
from charrnn.errors import (
    CharrnnError,
    CheckpointError,
    ConfigError,
    CorpusError,
    DeviceError,
    DivergedError,
    DownloadError,
    GroupError,
    VocabularyError,
)
from charrnn.runs import run
from charrnn.sampling.novelty import novelty
from charrnn.training import dry_run, loop, step
from charrnn.training.events import Finished

Cli = Callable[..., Outcome]
TINY = (
    *("--hidden-size", "16", "--num-layers", "2", "--batch-size", "4", "--seq-length", "8"),
    *("--max-steps", "20", "--eval-every", "10", "--threads", "1", "--device", "cpu"),
)
SIZES = TINY[4:]  # without the shape of the network


def test_train_prints_the_runs_path_alone(cli: Cli, text_file: Path) -> None:
    outcome = cli("train", text_file, *TINY)
    assert outcome.code == 0
    assert outcome.out == "checkpoints/verse\n"
    for told in (
        "verse: 820 characters, 38 distinct; 738 to learn from, 82 held out",
        "2 x 16 lstm",
        "4 streams x 8 characters, 23 steps an epoch, evaluated every 10 steps",
        "step 20  epoch 0.87",
        "best so far",
        "finished (all steps done) at step 20",
        "charrnn sample checkpoints/verse --temperature 0.8",
    ):
        assert told in outcome.err
    assert cli("train", text_file, *TINY).out == "checkpoints/verse-2\n"


def test_train_goes_to_the_folder_given_and_never_over_a_run(cli: Cli, text_file: Path) -> None:
    assert cli("train", text_file, *TINY, "-o", "here").out == "here\n"
    refused = cli("train", text_file, *TINY, "-o", "here")
    assert refused.code == 1
    assert "here already holds a run" in refused.err


def test_resume_goes_on_and_says_what_it_plans(cli: Cli, finished: Finished) -> None:
    outcome = cli("resume", "verse", "--max-steps", 40)
    assert outcome.code == 0
    assert outcome.out == "checkpoints/verse\n"
    assert "planned anew from step 30" in outcome.err
    assert "40 steps" in outcome.err
    assert "40 steps" in cli("info").out


def test_init_from_says_what_was_added(cli: Cli, finished: Finished, tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("THE WHEEL, 1234567890! " * 40, "utf-8")
    outcome = cli("train", "more.txt", "--init-from", "verse", *SIZES)
    assert outcome.code == 0
    assert "characters are new to the earlier model" in outcome.err


def test_a_new_text_wholly_known_says_so(cli: Cli, finished: Finished, text_file: Path) -> None:
    outcome = cli("train", text_file, "--init-from", "verse", *SIZES)
    assert "knows every character of this text" in outcome.err


def test_sample_writes_text_alone_on_stdout(cli: Cli, finished: Finished) -> None:
    outcome = cli("sample", "verse", "-n", 50, "-s", 3)
    assert outcome.code == 0
    assert len(outcome.out) == 50
    assert outcome.err == ""
    assert cli("sample", "verse", "-n", 50, "-s", 3) == outcome
    assert cli("sample", "verse", "-n", 50, "-s", 4).out != outcome.out


def test_without_a_seed_one_is_chosen_and_shown(cli: Cli, finished: Finished) -> None:
    outcome = cli("sample", "-n", 50)
    assert outcome.err.startswith("newest run: checkpoints/verse\nseed ")
    seed = outcome.err.split()[-1]
    assert cli("sample", "verse", "-n", 50, "-s", seed).out == outcome.out


def test_the_prompt_is_shown_unless_left_out(cli: Cli, finished: Finished) -> None:
    shown = cli("sample", "verse", "-n", 20, "-s", 1, "-p", "The wheel")
    assert shown.out.startswith("The wheel")
    assert len(shown.out) == 29
    hidden = cli("sample", "verse", "-n", 20, "-s", 1, "-p", "The wheel", "--no-prompt")
    assert shown.out == "The wheel" + hidden.out


def test_a_prompt_comes_from_a_file_or_standard_input(
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


def test_several_temperatures_write_a_labelled_text_each(cli: Cli, finished: Finished) -> None:
    options = ("sample", "verse", "-n", 30, "-s", 5, "-p", "The ")
    alone = {each: cli(*options, "-t", each).out for each in ("0.5", "1.0")}
    label = " temperature 0.5 ".center(40, "-") + "\n", " temperature 1.0 ".center(40, "-") + "\n"
    assert cli(*options, "-t", "0.5,1").out == (
        label[0] + alone["0.5"] + "\n" + label[1] + alone["1.0"]
    )
    several = cli(*options, "-t", "0.5,1", "--num-samples", 2).out
    assert [several.count(each) for each in label] == [2, 2]
    result = json.loads(cli(*options, "-t", "0.5,1", "--json").out)
    assert result["temperature"] == [0.5, 1.0]
    assert [each["temperature"] for each in result["samples"]] == [0.5, 1.0]
    assert "The " + result["samples"][1]["text"] == alone["1.0"]


def test_a_sample_that_ends_at_once_is_still_one_of_them(cli: Cli, finished: Finished) -> None:
    outcome = cli("sample", "verse", "-n", 0, "--num-samples", 3, "-p", "The", "-s", 1)
    assert outcome.out.split("\n" + "-" * 40 + "\n") == ["The", "The", "The"]


def test_sample_as_json(cli: Cli, finished: Finished) -> None:
    result = json.loads(
        cli("sample", "verse", "-n", 9, "-s", 5, "-p", "The", "--num-samples", 2, "--json").out
    )
    assert result["run"] == "checkpoints/verse"
    assert (result["seed"], result["prompt"], result["temperature"]) == (5, "The", 0.8)
    assert [len(sample["text"]) for sample in result["samples"]] == [9, 9]
    assert all(-200 < sample["log_probability"] < 0 for sample in result["samples"])
    assert result["characters_per_second"] == pytest.approx(18 / result["seconds"], rel=0.01)


def test_sample_holds_a_text_to_rules(cli: Cli, finished: Finished) -> None:
    rules = ("--acrostic", "the", "--line-length", 20, "--ban", "xyz")
    text = cli("sample", "verse", "-s", 1, *rules).out
    assert [line[0].lower() for line in text.splitlines()] == ["t", "h", "e"]
    assert max(map(len, text.splitlines())) <= 20
    refused = cli("sample", "verse", "--only", "~")
    assert (refused.code, refused.out) == (1, "")
    assert "--only '~' leaves none" in refused.err


def test_sample_tells_what_is_copied_and_copies_no_more_than_allowed(
    cli: Cli, finished: Finished, text_file: Path
) -> None:
    sample = ("sample", "verse", "-s", 1, "-n", 200, "-t", "0,1", "--novelty", text_file)
    told = [line for line in cli(*sample).err.splitlines() if "longest run" in line]
    assert [line.partition(":")[0] for line in told] == ["temperature 0.0", "temperature 1.0"]
    assert all(f"stands in {text_file.stem} has" in line for line in told)
    texts = [each["novelty"] for each in json.loads(cli(*sample, "--json").out)["samples"]]
    assert texts[1]["longest"] > 1
    assert all(each["passage"] in text_file.read_text("utf-8") for each in texts)
    text = cli("sample", "verse", "-s", 1, "-n", 200, "-t", 1, "--max-copy", 1).out
    assert novelty(text, Corpus.open(text_file)).longest == 1


def test_score_of_the_held_out_part_of_a_text_and_of_several(
    cli: Cli, finished: Finished, text_file: Path
) -> None:
    own = json.loads(cli("score", "verse", "--json").out)
    assert own["characters"] == 81
    best = finished.best_val_loss
    assert own["nats_per_char"] == pytest.approx(best, rel=1e-4)
    assert own["bits_per_char"] == pytest.approx(own["nats_per_char"] / 0.6931472, rel=1e-6)
    assert own["run"] == "checkpoints/verse"
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


def test_score_adapts_a_copy_and_leaves_the_run_alone(
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


def test_sample_takes_in_a_draft_and_goes_on_from_it(
    cli: Cli, finished: Finished, text_file: Path
) -> None:
    Path("draft.txt").write_text("The wheel goes round, and round, and round, and" * 9, "utf-8")
    fixed = ("--seed", 1, "-n", 40)
    plain = cli("sample", "verse", *fixed)
    adapted = cli("sample", "verse", "--adapt", "draft.txt", *fixed)
    assert adapted.code == plain.code == 0
    assert len(adapted.out) == len(plain.out) == 40
    assert adapted.out != plain.out
    prompted = cli("sample", "verse", "--adapt", "draft.txt", "-p", "The ", *fixed)
    assert prompted.out.startswith("The ")
    assert cli("sample", "verse", *fixed).out == plain.out
    Path("empty.txt").write_text("a", "utf-8")
    refused = cli("sample", "verse", "--adapt", "empty.txt")
    assert refused.code == 1
    assert "at least 2" in refused.err


def test_the_loss_is_shown_beside_that_of_counting(cli: Cli, finished: Finished) -> None:
    facts = json.loads(cli("info", "verse", "--json").out)
    assert facts["baseline"] == finished.run.config.baseline
    assert 0 < facts["baseline"] < math.log(38)
    assert f"{facts['baseline'] / math.log(2):.4f} bits, held out: counting" in cli("info").out


def test_score_names_unknown_characters_or_skips_them(cli: Cli, finished: Finished) -> None:
    Path("other.txt").write_text("The wheel ~ goes\n", "utf-8")
    refused = cli("score", "verse", "other.txt")
    assert refused.code == 1
    assert "'~' (U+007E)" in refused.err
    assert cli("score", "verse", "other.txt", "--unknown", "skip", "--json").code == 0


def test_info_and_list(cli: Cli, finished: Finished) -> None:
    facts = json.loads(cli("info", "verse", "--json").out)
    assert facts["run"] == "checkpoints/verse"
    assert facts["step"] == 30
    assert facts["epoch"] == pytest.approx(30 / 23, abs=1e-6)
    assert facts["val_loss"] == finished.best_val_loss
    assert facts["parameters"] == 6406
    assert facts["vocabulary_size"] == 38
    assert facts["characters"] == 820
    assert json.loads(cli("list", "--json").out) == [facts]
    listed = cli("list")
    assert "checkpoints/verse" in listed.out
    assert "2 x 16 lstm" in listed.out
    shown = cli("info")
    assert "step 30, epoch 1.30" in shown.out
    assert "step-00000020, step-00000030" in shown.out


def test_without_runs_list_tells_how_to_make_one(cli: Cli) -> None:
    outcome = cli("list")
    assert (outcome.code, outcome.out) == (0, "")
    assert "charrnn train" in outcome.err
    assert json.loads(cli("list", "--json").out) == []


# Each way charrnn can fail, as a user would cause it: one sentence, exit code 1.
FAILURES: list[tuple[type[CharrnnError], list[str], str]] = [
    (CorpusError, ["train", "nowhere.txt"], "there is no file nowhere.txt"),
    (CorpusError, ["train", "latin1.txt"], "latin1.txt is not UTF-8 text: byte 0xe9 at offset 3"),
    (DownloadError, ["train", "alice"], "alice could not be fetched (127.0.0.1:1: "),
    (VocabularyError, ["sample", "verse", "-p", "~"], "these are not among them: '~' (U+007E)"),
    (CheckpointError, ["sample", "nobody"], "there is no run nobody"),
    (ConfigError, ["train", "--dropout", "2"], "dropout must be a number from 0 to 0.95, not 2.0"),
    (DeviceError, ["train", "--device", "mps"], "--device mps cannot be used"),
    (GroupError, ["resume", "verse"], "another process of this run has ended or cannot be"),
    (
        DivergedError,
        ["train", "verse.txt", *TINY, "--learning-rate", "10", "--clip-norm", "1e6"],
        "training diverged at step",
    ),
]


def test_every_error_has_a_case() -> None:
    assert {error for error, _, _ in FAILURES} == set(subclasses(CharrnnError))


def subclasses(kind: type[CharrnnError]) -> list[type[CharrnnError]]:
    return [each for direct in kind.__subclasses__() for each in [direct, *subclasses(direct)]]


@pytest.mark.parametrize(("error", "arguments", "sentence"), FAILURES)
def test_what_cannot_be_done_is_one_sentence_and_exit_code_1(
    error: type[CharrnnError],
    arguments: list[str],
    sentence: str,
    cli: Cli,
    finished: Finished,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("latin1.txt").write_bytes(b"caf\xe9")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(downloads, "_PAUSES", (0.0,))
    nowhere = dataclasses.replace(catalogue.entries()["alice"], urls=("http://127.0.0.1:1/",))
    monkeypatch.setitem(catalogue.entries(), "alice", nowhere)
    monkeypatch.setenv("no_proxy", "*")
    if error is GroupError:  # one of two, started without torchrun and the other
        monkeypatch.setenv("RANK", "0")
        monkeypatch.setenv("WORLD_SIZE", "2")
    if error is DivergedError:  # whatever the rate, this network is too small to diverge by itself
        plain = torch.nn.functional.cross_entropy
        monkeypatch.setattr(step, "cross_entropy", lambda *given: plain(*given) * float("inf"))
    outcome = cli(*arguments)
    assert outcome.code == 1
    assert outcome.out == ""
    last = outcome.err.splitlines()[-1]
    assert last.startswith("error: ")
    assert sentence in last
    assert "Traceback" not in outcome.err


def test_other_failures_of_the_system_are_one_sentence_too(
    cli: Cli, finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "metrics.jsonl")

    monkeypatch.setattr(run.Run, "open", full)
    outcome = cli("info", "verse")
    assert outcome.code == 1
    assert outcome.err == "error: metrics.jsonl: No space left on device\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--nonsense"],
        ["train", "--max-time", "soon"],
        ["train", "--cell", "tree"],
        ["sample", "--unknown", "guess"],
        ["score", "--context", "0"],
        ["nonsense"],
    ],
)
def test_wrong_usage_is_exit_code_2(arguments: list[str], cli: Cli) -> None:
    outcome = cli(*arguments)
    assert outcome.code == 2
    assert outcome.out == ""


@pytest.mark.parametrize(
    ("command", "configs", "others"),
    [
        (
            "train",
            [TextConfig, ModelConfig, TrainConfig],
            {"corpus", "out_dir", "init_from", "dry_run"},
        ),
        ("resume", [Budget], {"run", "corpus", "device", "threads"}),
        (
            "sample",
            [SampleConfig],
            {
                "run",
                "prompt",
                "prompt_file",
                "adapt",
                "precision",
                "no_prompt",
                "interactive",
                "novelty",
                "checkpoint",
                "device",
                "as_json",
            },
        ),
    ],
)
def test_every_field_has_a_flag_and_every_flag_a_field(
    command: str, configs: list[type], others: set[str]
) -> None:
    flags = set(inspect.signature(getattr(cli_module, command)).parameters)
    fields = {field.name for config in configs for field in dataclasses.fields(config)}
    assert flags == fields | others


def test_flags_reach_the_configs(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, finished: Finished
) -> None:
    seen: dict[str, object] = {}

    def watch(
        corpus: object, config: TrainConfig, model: ModelConfig, text: TextConfig, **_: object
    ) -> object:
        seen.update(corpus=corpus, config=config, model=model, text=text)
        raise CorpusError("enough")

    monkeypatch.setattr(loop, "train", watch)
    cli("train", "x.txt", "--cell", "gru", "--max-time", "1h30m", "--patience", 0, "--dropout", 0.5,
        "--encoding", "cp1252", "--newline", "lf", "--min-count", 3)  # fmt: skip
    assert seen["corpus"] == ["x.txt"]
    assert seen["model"] == ModelConfig(cell="gru")
    assert seen["text"] == TextConfig(encoding="cp1252", newline="lf", min_count=3)
    assert seen["config"] == TrainConfig(max_time=5400.0, patience=0, dropout=0.5)


def program(*arguments: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "charrnn", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_first_and_the_run_can_be_resumed(
    number: signal.Signals, code: int, text_file: Path, cli: Cli
) -> None:
    long_run = [*TINY[:8], "--max-steps", "100000", "--patience", "0", "--log-every", "1"]
    process = program("train", text_file, *long_run)
    metrics = Path("checkpoints/verse/metrics.jsonl")
    deadline = time.monotonic() + 60
    while not (metrics.exists() and metrics.read_text("utf-8").count("\n") > 3):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert out == "checkpoints/verse\n"
    assert "saved; go on with: charrnn resume checkpoints/verse" in err
    step = json.loads(cli("info", "verse", "--json").out)["step"]
    assert step >= 3
    resumed = cli("resume", "verse", "--max-steps", step + 2)
    assert f"planned anew from step {step:,}" in resumed.err
    assert json.loads(cli("info", "verse", "--json").out)["step"] == step + 2


def test_training_goes_on_when_nobody_reads_its_messages(text_file: Path, cli: Cli) -> None:
    with program("train", text_file, *TINY) as process:
        assert process.stdout
        assert process.stderr
        process.stderr.close()
        assert process.stdout.read() == "checkpoints/verse\n"
    assert process.returncode == 0
    assert json.loads(cli("info", "verse", "--json").out)["step"] == 20


def test_a_file_name_can_be_any_bytes(cli: Cli, text_file: Path) -> None:
    name = os.fsdecode(b"caf\xe9.txt")
    text_file.rename(name)
    outcome = cli("train", name, *TINY)
    assert outcome.code == 0
    assert cli("resume", "--max-steps", 21).code == 0
    assert cli("info", "--json").code == 0


def test_not_enough_memory_is_one_sentence(
    cli: Cli, text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*_: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate")

    monkeypatch.setattr(torch.nn.functional, "linear", exhausted)
    outcome = cli("train", text_file, *TINY)
    assert outcome.code == 1
    assert outcome.err.splitlines()[-1].startswith("error: there is not enough memory")


def test_a_closed_pipe_is_not_an_error(finished: Finished) -> None:
    with program("sample", "verse", "-n", 1_000_000, "-s", 1) as process:
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


def test_corpora_lists_the_catalogue(cli: Cli) -> None:
    rows = {row["name"]: row for row in json.loads(cli("corpora", "--json").out)}
    assert rows["low-hundreds"]["here"]
    assert rows["python"]["bytes"] > 10_000_000
    assert rows["shakespeare"]["sha256"].startswith("86c4e6aa")
    assert rows["alice"]["sha256"] is None
    assert not rows["enwik8"]["here"]
    shown = cli("corpora").out
    assert "recorded on first download" in shown
    assert all(name in shown for name in rows)
    assert cli("corpora", "fetch", "nobody").code == 2
    assert cli("corpora", "clean", "alice").code == 2


def test_corpora_clean_empties_the_cache_alone(cli: Cli, text_file: Path) -> None:
    for place in ("cache/charrnn/encoded/k", "cache/charrnn/texts", "cache/charrnn/elsewhere"):
        Path(place).mkdir(parents=True)
        Path(place, "file").write_text("12345", "utf-8")
    outcome = cli("corpora", "clean")
    assert outcome.code == 0
    assert outcome.err.startswith("10 bytes removed")
    assert [each.name for each in Path("cache/charrnn").iterdir()] == ["elsewhere"]
    assert text_file.is_file()


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
    assert f"another text than before: SHA-256 {new} in the place of {old}" in resumed.err
    again = cli("resume", "verse", "--max-steps", 50)
    assert again.code == 0
    assert "another text" not in again.err
    best = json.loads(cli("info", "verse", "--json").out)["best_step"]
    assert best > 30
    score = json.loads(cli("score", "verse", "--json").out)
    assert score["characters"] == 245


def test_a_dry_run_tells_what_a_text_is_and_trains_nothing(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dry_run, "_PROBE", 0.0)
    line = "a line of the text that comes again"
    Path("t.txt").write_bytes(f"{line}\r\n{line}\n\rsome ~ other\x07\n".encode() * 9)
    outcome = cli("train", "t.txt", "--dry-run", *TINY)
    assert outcome.code == 0
    assert not Path("checkpoints").exists()
    for told in (
        "t: 792 characters, utf-8",
        "712 to learn from, 80 held out",
        "18 LF, 9 CRLF, 9 CR",
        "'~' ",
        "occur less than 10 times",
        "suspicious  1: '\\x07'",
        "17 of 18 long ones repeat",
        "held out: counting (a 5-gram model)",
        "2 x 16 lstm",
        "4 streams x 8 characters",
        "MiB beside the program",
        "steps, about",
    ):
        assert told in outcome.out, told
