"""Several processes train as one: the same data, weights and files, and they end together."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from charrnn.runs.run import Run
from tests.conftest import Cli

FLAGS = [
    *("--num-layers", "2", "--hidden-size", "16", "--batch-size", "4", "--seq-length", "8"),
    *("--dropout", "0.3", "--output-dropout", "0.3", "--weight-drop", "0.3"),
    *("--input-dropout", "0.1", "--state-drop", "0.2", "--threads", "1", "--device", "cpu"),
    *("--precision", "float32"),
    *("--eval-every", "10", "--log-every", "5", "--patience", "0"),
]


class Started:
    """Processes of one run, started as torchrun starts them, one environment each."""

    def __init__(self, *arguments: str, size: int = 2, restarts: int = 0) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.processes = [
            subprocess.Popen(
                [sys.executable, "-m", "charrnn", *arguments],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env={
                    **os.environ,
                    "RANK": f"{rank}",
                    "LOCAL_RANK": f"{rank}",
                    "WORLD_SIZE": f"{size}",
                    "LOCAL_WORLD_SIZE": f"{size}",
                    "MASTER_ADDR": "127.0.0.1",
                    "MASTER_PORT": f"{port}",
                    "TORCHELASTIC_RESTART_COUNT": f"{restarts}",
                    "OMP_NUM_THREADS": "1",
                },
            )
            for rank in range(size)
        ]

    def ended(self, seconds: float = 60) -> list[tuple[int, str, str]]:
        """Exit code, output and messages of each."""
        found = []
        for process in self.processes:
            out, err = process.communicate(timeout=seconds)
            found.append((process.returncode, out, err))
        return found

    def kill(self) -> None:
        for process in self.processes:
            process.kill()
            process.communicate()


@pytest.fixture
def start() -> Iterator[type[Started]]:
    begun: list[Started] = []

    class Kept(Started):
        def __init__(self, *arguments: str, size: int = 2, restarts: int = 0) -> None:
            super().__init__(*arguments, size=size, restarts=restarts)
            begun.append(self)

    yield Kept
    for each in begun:
        each.kill()


def train(text: Path, run: str, *more: str) -> list[str]:
    return ["train", str(text), "-o", run, *FLAGS, *more]


def arrays(run: str) -> dict[str, NDArray[Any]]:
    """All that the newest checkpoint of a run keeps."""
    checkpoint = Run.open(Path(run)).select("last")
    return {**checkpoint.load("model"), **checkpoint.load("trainer")}


def difference(one: str, other: str) -> tuple[float, float]:
    """The largest and the mean difference of all that two runs keep."""
    ones = arrays(one)
    apart = [np.abs(ones[name] - array).ravel() for name, array in arrays(other).items()]
    everything = np.concatenate(apart)
    return float(everything.max()), float(everything.mean())


def steps(run: str) -> int:
    rows = Path(run, "metrics.jsonl")
    return json.loads(rows.read_text().splitlines()[-1])["step"] if rows.exists() else 0


def until_step(run: str, step: int) -> None:
    ends = time.monotonic() + 60
    while steps(run) < step:
        assert time.monotonic() < ends, "training does not get on"
        time.sleep(0.05)


def test_two_processes_train_as_one(text_file: Path, start: type[Started], cli: Cli) -> None:
    assert cli(*train(text_file, "one", "--max-steps", "20")).code == 0
    first, second = start(*train(text_file, "two", "--max-steps", "20")).ended()
    assert (first[0], second[0]) == (0, 0), first[2] + second[2]
    assert first[1] == "two\n"
    assert second[1:] == ("", "")
    largest, mean = difference("one", "two")
    assert largest < 1e-3
    assert mean < 1e-5
    rows = [
        [json.loads(line) for line in Path(run, "metrics.jsonl").read_text().splitlines()]
        for run in ("one", "two")
    ]
    for alone, together in zip(*rows, strict=True):
        assert alone["step"] == together["step"]
        assert alone["learning_rate"] == together["learning_rate"]
        assert alone["train_loss"] == pytest.approx(together["train_loss"], abs=1e-4)
    files = [sorted(each.name for each in Path(run).iterdir()) for run in ("one", "two")]
    assert files[0] == files[1]


def test_a_run_goes_on_with_another_number_of_processes(
    text_file: Path, start: type[Started], cli: Cli
) -> None:
    assert cli(*train(text_file, "whole", "--max-steps", "40")).code == 0
    begun = start(*train(text_file, "parts", "--max-steps", "40", "--save-every", "1"))
    until_step("parts", 5)
    begun.processes[1].send_signal(signal.SIGTERM)  # told to one, known to all
    first, second = begun.ended(30)
    assert (first[0], second[0]) == (0, 143), first[2] + second[2]
    assert "saved; to continue, run: charrnn resume parts" in first[2]
    assert Run.open(Path("parts")).select("last").step < 40
    one = cli("resume", "parts")
    assert one.code == 0, one.err
    assert "1 process in the place of 2: the data and the masks are the same" in one.err
    largest, mean = difference("whole", "parts")
    assert largest < 1e-3
    assert mean < 1e-5
    again = start("resume", "parts", "--max-steps", "45").ended()
    assert [each[0] for each in again] == [0, 0], again[0][2]
    assert "2 processes in the place of 1" in again[0][2]


def test_the_same_processes_resumed_are_the_run_never_stopped(
    text_file: Path, start: type[Started]
) -> None:
    start(*train(text_file, "whole", "--max-steps", "30")).ended()
    begun = start(*train(text_file, "parts", "--max-steps", "30", "--save-every", "1"))
    until_step("parts", 5)
    begun.processes[0].send_signal(signal.SIGINT)
    codes = [each[0] for each in begun.ended(30)]
    assert codes in ([130, 0], [0, 0])  # all done before the signal came, or not
    if codes[0]:
        resumed = start("resume", "parts").ended()
        assert [each[0] for each in resumed] == [0, 0], resumed[0][2]
    assert difference("whole", "parts") == (0.0, 0.0)


@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_process_ends_the_other_and_harms_nothing(
    killed: int, text_file: Path, start: type[Started]
) -> None:
    begun = start(*train(text_file, "run", "--max-steps", "1000000", "--save-every", "3"))
    until_step("run", 10)
    begun.processes[killed].kill()
    at = time.monotonic()
    begun.processes[1 - killed].wait(timeout=10)
    assert time.monotonic() - at < 10
    code, _, err = begun.ended()[1 - killed]
    assert code == 1
    assert "another process of this run has ended" in err
    assert "Traceback" not in err
    Run.open(Path("run")).select("last", ("model", "trainer"))
    if not killed:
        return
    again = start(*train(text_file, "run", "--max-steps", "1000000"), restarts=1)
    until_step("run", steps("run") + 20)
    assert again.processes[0].poll() is None


@pytest.mark.slow
def test_torchrun_starts_killed_processes_anew_and_they_go_on(text_file: Path) -> None:
    torchrun = subprocess.Popen(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--max-restarts=1"),
            *("--nproc-per-node=2", "-m", "charrnn"),
            *train(text_file, "run", "--max-steps", "400", "--save-every", "5"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until_step("run", 20)
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            names = path.read_bytes().split(b"\0")
            mine = path.with_name("stat").read_text().rpartition(") ")[2].split()[1]
            if b"RANK=1" in names and int(mine) == torchrun.pid:
                os.kill(int(path.parent.name), signal.SIGKILL)
    out, err = torchrun.communicate(timeout=120)
    assert torchrun.returncode == 0, err
    assert out == "run\n"
    assert "continuing from step" in err
    assert Run.open(Path("run")).select("last").step == 400


def test_streams_that_do_not_go_among_the_processes_are_refused_by_all(
    text_file: Path, start: type[Started]
) -> None:
    ended = start(*train(text_file, "run", "--batch-size", "5")).ended()
    assert [each[0] for each in ended] == [1, 1]
    assert "5 streams do not go among 2 processes; give --batch-size 4" in ended[0][2]


def test_what_the_first_cannot_do_ends_all_with_one_sentence(
    text_file: Path, start: type[Started]
) -> None:
    Path("run").mkdir()
    Path("run", "config.json").write_text("{}")
    first, second = start(*train(text_file, "run")).ended()
    assert (first[0], second[0]) == (1, 1)
    assert "run already holds a run" in first[2]
    assert second[2] == ""


def test_a_restart_that_cannot_know_its_run_says_so(text_file: Path, start: type[Started]) -> None:
    first, second = start("train", str(text_file), *FLAGS, restarts=1).ended()
    assert (first[0], second[0]) == (1, 1)
    assert "give its folder by --out-dir from the start" in first[2]
