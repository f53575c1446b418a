import json
import math
import os
import re
import signal
import time
from pathlib import Path

import pytest

from charrnn.runs.run import Run
from charrnn.training.events import Finished
from tests.cli.process import SIZES, SMALL, TINY, start_program
from tests.conftest import VERSE, Cli
from tests.recurrence.cuda.stand_in import replace_child_program, use_cpu_as_gpu


def test_train_prints_only_the_path_of_the_run_to_stdout(cli: Cli, text_file: Path) -> None:
    outcome = cli("train", text_file, *TINY)
    assert outcome.code == 0
    assert outcome.out == "checkpoints/verse\n"
    for message in (
        "verse: 820 characters, 38 distinct; 738 for training, 82 held out for evaluation",
        "2 layers of 16 lstm units",
        "4 streams x 8 characters per step, 23 steps per epoch, evaluated every 10 steps",
        "step 20  epoch 0.87",
        "best so far",
        "finished (all steps done) at step 20",
        "charrnn sample checkpoints/verse",
    ):
        assert message in outcome.err
    assert cli("train", text_file, *TINY).out == "checkpoints/verse-2\n"


def test_train_writes_to_out_dir_and_never_overwrites_a_run(cli: Cli, text_file: Path) -> None:
    assert cli("train", text_file, *TINY, "-o", "here").out == "here\n"
    refused = cli("train", text_file, *TINY, "-o", "here")
    assert refused.code == 1
    assert "here already contains a run" in refused.err


def test_init_from_shows_the_added_characters(cli: Cli, finished: Finished, tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("THE WHEEL, 1234567890! " * 40, "utf-8")
    outcome = cli("train", "more.txt", "--init-from", "verse", *SIZES)
    assert outcome.code == 0
    assert "characters of this text were not in the vocabulary of the earlier model" in outcome.err


def test_init_from_shows_that_no_characters_were_added(
    cli: Cli, finished: Finished, text_file: Path
) -> None:
    outcome = cli("train", text_file, "--init-from", "verse", *SIZES)
    assert "every character of this text is in the vocabulary of the earlier model" in outcome.err


def test_info_shows_the_loss_of_a_5_gram_model(cli: Cli, finished: Finished) -> None:
    facts = json.loads(cli("info", "verse", "--json").out)
    assert facts["baseline"] == finished.run.config.baseline
    assert 0 < facts["baseline"] < math.log(38)
    assert (
        f"{facts['baseline'] / math.log(2):.4f} bits on the held-out text: a 5-gram"
        in cli("info").out
    )


KERNEL_SIZES = (
    *("--hidden-size", 32, "--num-layers", 2, "--batch-size", 16, "--seq-length", 8),
    *("--max-steps", 6, "--eval-every", 3, "--threads", 1, "--precision", "bfloat16"),
)


def test_training_continues_without_the_kernel_and_shows_the_reason(
    cli: Cli, text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_cpu_as_gpu(monkeypatch)
    replace_child_program(monkeypatch, "import os; os.abort()")
    outcome = cli("train", text_file, *KERNEL_SIZES, "-o", "run")
    assert outcome.code == 0, outcome.err
    engine = "cuDNN (the CUDA kernel is not used: the check ended with signal SIGABRT)"
    assert re.search(rf"engine +{re.escape(engine)} *\n", outcome.err)
    assert outcome.err.count("CUDA kernel") == 1
    assert "finished (all steps done) at step 6" in outcome.err
    monkeypatch.setenv("CHARRNN_CUDA_KERNEL", "off")
    outcome = cli("resume", "run", "--max-steps", 9)
    engine = "cuDNN (the CUDA kernel is not used: CHARRNN_CUDA_KERNEL is off)"
    assert re.search(rf"engine +{re.escape(engine)} *\n", outcome.err)
    assert "finished (all steps done) at step 9" in outcome.err


def test_training_on_a_cpu_shows_no_engine(cli: Cli, text_file: Path) -> None:
    outcome = cli("train", text_file, *TINY)
    assert outcome.code == 0
    assert "engine" not in outcome.err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_first_and_the_run_can_be_resumed(
    number: signal.Signals, code: int, text_file: Path, cli: Cli
) -> None:
    long_run = [*TINY[:8], "--max-steps", "100000", "--patience", "0", "--log-every", "1"]
    process = start_program("train", text_file, *long_run)
    metrics = Path("checkpoints/verse/metrics.jsonl")
    deadline = time.monotonic() + 60
    while not (metrics.exists() and metrics.read_text("utf-8").count("\n") > 3):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert out == "checkpoints/verse\n"
    assert "saved; to continue, run: charrnn resume checkpoints/verse" in err
    step = json.loads(cli("info", "verse", "--json").out)["step"]
    assert step >= 3
    resumed = cli("resume", "verse", "--max-steps", step + 2)
    assert f"schedule is recomputed from step {step:,}" in resumed.err
    assert json.loads(cli("info", "verse", "--json").out)["step"] == step + 2


def test_training_continues_when_stderr_is_closed(text_file: Path, cli: Cli) -> None:
    with start_program("train", text_file, *TINY) as process:
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


def test_a_dry_run_shows_the_text_and_does_not_train(cli: Cli) -> None:
    line = "a line of the text that comes again"
    Path("t.txt").write_bytes(f"{line}\r\n{line}\n\rsome ~ other\x07\n".encode() * 9)
    outcome = cli("train", "t.txt", "--dry-run", *TINY)
    assert outcome.code == 0
    assert not Path("checkpoints").exists()
    for fact in (
        "t: 792 characters, utf-8",
        "712 for training, 80 held out",
        "18 LF, 9 CRLF, 9 CR",
        "'~' ",
        "(fewer than 10 occurrences)",
        "suspicious  1: '\\x07'",
        "17 of 18 long lines repeat",
        "on the held-out text: a 5-gram model",
        "2 layers of 16 lstm units",
        "4 streams x 8 characters",
        "MiB, in addition to the program",
        "steps, about",
    ):
        assert fact in outcome.out, fact


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_at_once_and_damages_nothing(
    number: signal.Signals, text_file: Path
) -> None:
    process = start_program(
        "train", "verse.txt", *SMALL, "--max-steps", "100000", "--patience", "0"
    )
    metrics = Path("checkpoints/verse/metrics.jsonl")
    deadline = time.monotonic() + 60
    while not metrics.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    for _ in range(2):
        process.send_signal(number)
    start = time.monotonic()
    process.communicate(timeout=60)
    assert time.monotonic() - start < 5
    assert process.returncode in (128 + number, -number)
    Run.open(metrics.parent).select("last", ("model", "trainer"))


def test_a_signal_while_the_text_is_read_gives_its_exit_code(tmp_path: Path) -> None:
    with open("large.txt", "wb") as file:
        file.writelines([VERSE.encode() * 10_000] * 100)
    process = start_program("train", "large.txt", *SMALL)
    assert process.stderr
    assert process.stderr.readline().startswith("reading ")
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "there is nothing to save yet" in err
    assert not list(Path("checkpoints").glob("*"))


def test_characters_that_occur_only_in_the_held_out_text_are_noted(cli: Cli) -> None:
    Path("text.txt").write_text("abc def\n" * 500 + "XYZ" * 100, "utf-8")
    for outcome in (cli("train", "text.txt", *TINY), cli("train", "text.txt", "--dry-run", *TINY)):
        assert "3 characters occur only in the held-out text" in outcome.out + outcome.err


def test_utf_16_without_a_byte_order_mark_is_named(cli: Cli) -> None:
    Path("u.txt").write_bytes(b"h\0e\0l\0l\0o\0\n\0" * 200)
    outcome = cli("train", "u.txt", *TINY)
    assert outcome.code == 1
    assert "it looks like utf-16-le: read it with --encoding utf-16-le" in outcome.err
    assert cli("train", "u.txt", "--encoding", "utf-16-le", *TINY).code == 0


@pytest.mark.parametrize("arguments", [("a.txt", "a.txt"), ("a.txt", "b.txt"), ("folder",)])
def test_a_text_that_is_given_twice_has_a_note(cli: Cli, arguments: tuple[str, ...]) -> None:
    words = " ".join(f"word{number * number % 1009}" for number in range(800))
    Path("folder").mkdir()
    for name in ("a.txt", "b.txt", "folder/a.txt", "folder/b.txt"):
        Path(name).write_text(words)
    note = "the whole held-out part also occurs word for word in the training part"
    outcome = cli("train", *arguments, *TINY)
    assert outcome.code == 0
    assert note in outcome.err
    assert note in " ".join(cli("train", *arguments, *TINY, "--dry-run").out.split())
    assert note not in cli("train", "a.txt", *TINY).err


def test_a_dry_run_counts_short_lines_if_there_are_no_long_ones(cli: Cli) -> None:
    Path("short.txt").write_text("abc def\n" * 2000)
    output = cli("train", "short.txt", *TINY, "--dry-run").out
    assert "1,999 of 2,000 lines repeat an earlier line" in output
    Path("long.txt").write_text("abc\n" * 10 + "twenty characters or more\n" * 100)
    output = cli("train", "long.txt", *TINY, "--dry-run").out
    assert "99 of 100 long lines repeat an earlier line" in output
    assert not Path("checkpoints").exists()


def test_a_warm_up_that_is_cut_is_reported_once(cli: Cli, text_file: Path) -> None:
    outcome = cli("train", text_file, *TINY, "--warmup-steps", "50")
    assert outcome.err.count("the warm-up has 2 steps instead of 50") == 1
