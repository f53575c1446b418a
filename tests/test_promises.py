"""Promises that no one module keeps alone: see docs/reliability.md."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from charrnn.data.corpus import Corpus
from charrnn.runs.run import Run
from charrnn.training.events import Finished
from charrnn.training.loop import resume
from tests.conftest import TINY_TRAINING, VERSE, Outcome
from tests.training.tiny_runs import assert_same_but_for_the_steps_kept, stopped_after, tiny

TESTS = Path(__file__).parent

Cli = Callable[..., Outcome]
SMALL = ["--num-layers", "1", "--hidden-size", "8", "--batch-size", "4", "--seq-length", "8"]


def program(*arguments: str, seed: str = "0") -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "charrnn", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONHASHSEED": seed},
    )


def test_same_seed_same_bytes_whatever_the_hash_seed(text_file: Path) -> None:
    digests = set()
    for seed in ("1", "2"):
        process = program("train", "verse.txt", *SMALL, "--max-steps", "9", "-o", seed, seed=seed)
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        newest = Run.open(Path(seed)).select("last")
        for name in ("model", "trainer"):
            data = (newest.path / f"{name}.safetensors").read_bytes()
            digests.add((name, hashlib.sha256(data).hexdigest()))
    assert len(digests) == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_at_once_and_harms_nothing(
    number: signal.Signals, text_file: Path
) -> None:
    process = program("train", "verse.txt", *SMALL, "--max-steps", "100000", "--patience", "0")
    metrics = Path("checkpoints/verse/metrics.jsonl")
    deadline = time.monotonic() + 60
    while not metrics.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    for _ in range(2):
        process.send_signal(number)
    started = time.monotonic()
    process.communicate(timeout=60)
    assert time.monotonic() - started < 5
    assert process.returncode in (128 + number, -number)
    Run.open(metrics.parent).select("last", ("model", "trainer"))


def test_a_second_signal_inside_the_first_ones_handler_does_not_hang(text_file: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(TESTS / "console/signal_inside_handler.py")],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == -signal.SIGINT


@pytest.mark.parametrize("module", ["typer", "rich", "charrnn.console"])
def test_ctrl_c_while_the_program_is_loaded_ends_it_without_a_traceback(module: str) -> None:
    command = [sys.executable, str(TESTS / "cli/interrupted_load.py"), module]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode in (-signal.SIGINT, 130)
    assert done.stderr.strip() == b""


def test_a_signal_while_the_text_is_read_ends_with_its_code(tmp_path: Path) -> None:
    with open("large.txt", "wb") as file:
        file.writelines([VERSE.encode() * 10_000] * 100)
    process = program("train", "large.txt", *SMALL)
    assert process.stderr
    assert process.stderr.readline().startswith(b"looking at ")
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143
    assert b"nothing to save yet" in err
    assert not list(Path("checkpoints").glob("*"))


def test_readers_never_see_a_torn_checkpoint(text_file: Path) -> None:
    """Read best and newest as fast as can be while a run saves at each step."""
    text, seen, failures = Corpus.open(text_file), set[int](), list[BaseException]()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            try:
                for name in ("best", "last"):
                    if Path("run/config.json").exists():
                        run = Run.open(Path("run"))
                        if run.look()[0]:
                            checkpoint = run.select(name, ("model", "trainer"))
                            assert checkpoint.load("model")
                            seen.add(checkpoint.step)
            except BaseException as error:
                failures.append(error)
                return

    reader = threading.Thread(target=read)
    reader.start()
    try:
        list(tiny("run", text, max_steps=30, eval_every=2, save_every=1))
    finally:
        done.set()
        reader.join()
    assert not failures
    assert len(seen) > 5


HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202egnp.exe[red]"


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", HOSTILE],
        ["sample", HOSTILE],
        ["sample", "verse", "-p", HOSTILE],
        ["score", "verse", HOSTILE],
        ["verify", HOSTILE],
        ["info", HOSTILE],
        ["resume", HOSTILE],
        ["sample", "verse", "--stop", HOSTILE, "--seed", HOSTILE],
        ["train", "verse.txt", "-o", HOSTILE, "--learning-rate", "nan"],
    ],
)
def test_what_is_named_in_errors_cannot_drive_the_terminal(
    finished: Finished, cli: Cli, arguments: list[str]
) -> None:
    outcome = cli(*arguments)
    assert outcome.code in (1, 2)
    assert not {"\x1b", "\x07", "\u202e"} & set(outcome.out + outcome.err)


def test_a_hostile_run_is_shown_harmlessly(text_file: Path, cli: Cli) -> None:
    name = HOSTILE.replace("/", "")
    Path(f"{name}.txt").write_text(VERSE * 3 + HOSTILE, encoding="utf-8")
    assert cli("train", f"{name}.txt", *SMALL, "--max-steps", "5").code == 0
    for command in (["list"], ["info", name], ["verify", name], ["score", name]):
        outcome = cli(*command)
        assert outcome.code == 0
        assert not {"\x1b", "\x07", "\u202e"} & set(outcome.out + outcome.err)
        assert "[red]" in outcome.out


@pytest.mark.slow
@pytest.mark.parametrize("step", range(61))
def test_resume_is_exact_at_each_of_sixty_steps(text_file: Path, step: int) -> None:
    text = Corpus.open(text_file)
    assert TINY_TRAINING.warmup_steps == 5
    list(tiny("whole", text, max_steps=61))
    stop = threading.Event()
    stopped_after(tiny("parts", text, stop, max_steps=61), stop, step)
    list(resume("parts"))
    assert_same_but_for_the_steps_kept(Path("parts"), Path("whole"))


def test_a_chain_of_ten_resumes_is_exact(text_file: Path) -> None:
    text = Corpus.open(text_file)
    list(tiny("whole", text))
    stop = threading.Event()
    stopped_after(tiny("parts", text, stop), stop, 2)
    for step in (4, 7, 10, 12, 15, 18, 20, 23, 27):
        stop = threading.Event()
        stopped_after(resume("parts", stop=stop), stop, step)
    list(resume("parts"))
    assert_same_but_for_the_steps_kept(Path("parts"), Path("whole"))
