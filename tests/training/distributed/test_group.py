"""Training in several processes: the same data, weights and files; they end together."""

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
import torch.distributed as dist
from numpy.typing import NDArray

from charrnn.errors import GroupError
from charrnn.runs.metrics import read_rows
from charrnn.runs.run import Run
from charrnn.training.distributed.group import _translate_errors as translate
from tests.cli.forked import ForkedProgram
from tests.conftest import VERSE, Cli

FLAGS = [
    *("--num-layers", "2", "--hidden-size", "16", "--batch-size", "4", "--seq-length", "8"),
    *("--dropout", "0.3", "--output-dropout", "0.3", "--weight-drop", "0.3"),
    *("--input-dropout", "0.1", "--state-drop", "0.2", "--threads", "1", "--device", "cpu"),
    *("--precision", "float32"),
    *("--eval-every", "10", "--log-every", "5", "--patience", "0"),
]


class Processes:
    """The processes of one run, each with the environment variables that torchrun sets."""

    def __init__(self, *arguments: str, size: int = 2, restarts: int = 0) -> None:
        with socket.socket() as free_socket:
            free_socket.bind(("127.0.0.1", 0))
            port = free_socket.getsockname()[1]
        self.processes = [
            ForkedProgram(
                *arguments,
                variables={
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

    def wait(self, seconds: float = 60) -> list[tuple[int, str, str]]:
        """Wait until all processes end; return the exit code, stdout and stderr of each."""
        return [process.wait(seconds) for process in self.processes]

    def kill(self) -> None:
        for process in self.processes:
            process.kill()


@pytest.fixture
def start() -> Iterator[type[Processes]]:
    """Start processes, and kill those that still run at the end of the test."""
    started: list[Processes] = []

    class RecordedProcesses(Processes):
        def __init__(self, *arguments: str, size: int = 2, restarts: int = 0) -> None:
            super().__init__(*arguments, size=size, restarts=restarts)
            started.append(self)

    yield RecordedProcesses
    for processes in started:
        processes.kill()


def train(text: Path, run: str, *flags: str) -> list[str]:
    return ["train", str(text), "-o", run, *FLAGS, *flags]


def arrays(run: str) -> dict[str, NDArray[Any]]:
    """Return all arrays of the newest checkpoint of a run."""
    checkpoint = Run.open(Path(run)).select("last")
    return {**checkpoint.load("model"), **checkpoint.load("trainer")}


def difference(run: str, other_run: str) -> tuple[float, float]:
    """Return the largest and the mean difference of the arrays of two runs."""
    first = arrays(run)
    differences = [np.abs(first[name] - array).ravel() for name, array in arrays(other_run).items()]
    all_differences = np.concatenate(differences)
    return float(all_differences.max()), float(all_differences.mean())


def newest_step(run: str) -> int:
    rows = read_rows(Path(run, "metrics.jsonl"))
    return rows[-1]["step"] if rows else 0


def wait_for_step(run: str, step: int) -> None:
    deadline = time.monotonic() + 60
    while newest_step(run) < step:
        assert time.monotonic() < deadline, f"the run {run} did not reach step {step}"
        time.sleep(0.05)


@pytest.mark.parametrize(
    "flags", [[], pytest.param(["--document-separator", "\n"], marks=pytest.mark.slow)]
)
def test_two_processes_train_like_one_process(
    flags: list[str], text_file: Path, start: type[Processes], cli: Cli
) -> None:
    assert cli(*train(text_file, "one", "--max-steps", "20", *flags)).code == 0
    first, second = start(*train(text_file, "two", "--max-steps", "20", *flags)).wait()
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
    for single, two in zip(*rows, strict=True):
        assert single["step"] == two["step"]
        assert single["learning_rate"] == two["learning_rate"]
        assert single["train_loss"] == pytest.approx(two["train_loss"], abs=1e-4)
    files = [sorted(path.name for path in Path(run).iterdir()) for run in ("one", "two")]
    assert files[0] == files[1]


def test_a_run_continues_with_another_number_of_processes(
    text_file: Path, start: type[Processes], cli: Cli
) -> None:
    assert cli(*train(text_file, "whole", "--max-steps", "40")).code == 0
    processes = start(*train(text_file, "parts", "--max-steps", "40", "--save-every", "1"))
    wait_for_step("parts", 5)
    processes.processes[1].send_signal(signal.SIGTERM)  # one process gets the signal, all stop
    first, second = processes.wait(30)
    assert (first[0], second[0]) == (0, 143), first[2] + second[2]
    assert "saved; to continue, run: charrnn resume parts" in first[2]
    assert Run.open(Path("parts")).select("last").step < 40
    single = cli("resume", "parts")
    assert single.code == 0, single.err
    assert "1 process instead of 2: the data and the dropout masks are the same" in single.err
    largest, mean = difference("whole", "parts")
    assert largest < 1e-3
    assert mean < 1e-5
    outcomes = start("resume", "parts", "--max-steps", "45").wait()
    assert [code for code, _, _ in outcomes] == [0, 0], outcomes[0][2]
    assert "2 processes instead of 1" in outcomes[0][2]


def test_resume_with_the_same_number_of_processes_matches_the_uninterrupted_run(
    text_file: Path, start: type[Processes]
) -> None:
    start(*train(text_file, "whole", "--max-steps", "60")).wait()
    processes = start(*train(text_file, "parts", "--max-steps", "60", "--save-every", "1"))
    wait_for_step("parts", 5)
    processes.processes[0].send_signal(signal.SIGINT)
    codes = [code for code, _, _ in processes.wait(30)]
    assert codes == [130, 0]
    resumed = start("resume", "parts").wait()
    assert [code for code, _, _ in resumed] == [0, 0], resumed[0][2]
    assert difference("whole", "parts") == (0.0, 0.0)


@pytest.mark.parametrize("killed", [pytest.param(0, marks=pytest.mark.slow), 1])
def test_a_killed_process_ends_the_other_one_and_damages_no_checkpoint(
    killed: int, text_file: Path, start: type[Processes]
) -> None:
    processes = start(*train(text_file, "run", "--max-steps", "1000000", "--save-every", "3"))
    wait_for_step("run", 10)
    processes.processes[killed].kill()
    killed_at = time.monotonic()
    processes.processes[1 - killed].wait(10)
    assert time.monotonic() - killed_at < 10
    code, _, err = processes.processes[1 - killed].wait()
    assert code == 1
    assert "another process of this run has ended" in err
    assert "Traceback" not in err
    Run.open(Path("run")).select("last", ("model", "trainer"))
    if not killed:
        return
    restarted = start(*train(text_file, "run", "--max-steps", "1000000"), restarts=1)
    wait_for_step("run", newest_step("run") + 20)
    assert restarted.processes[0].is_running()


def test_a_time_limit_is_the_same_in_all_processes(text_file: Path, start: type[Processes]) -> None:
    outcomes = start(*train(text_file, "run", "--max-time", "1s")).wait()
    assert [code for code, _, _ in outcomes] == [0, 0], outcomes
    assert "the time limit allows about" in outcomes[0][2]


def test_a_stop_request_while_a_text_is_read_ends_all_processes(start: type[Processes]) -> None:
    with open("large.txt", "wb") as file:
        file.writelines([VERSE.encode() * 10_000] * 20)
    processes = start(*train(Path("large.txt"), "run"))
    deadline = time.monotonic() + 60
    while "reading" not in processes.processes[0].messages():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    processes.processes[1].send_signal(signal.SIGTERM)
    outcomes = processes.wait()
    assert [code for code, _, _ in outcomes] == [0, 143], outcomes
    assert "there is nothing to save yet" in outcomes[0][2]
    assert not Path("run").exists()


@pytest.mark.slow
def test_torchrun_restarts_killed_processes_and_the_run_continues(text_file: Path) -> None:
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
    wait_for_step("run", 20)
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            variables = path.read_bytes().split(b"\0")
            parent = path.with_name("stat").read_text().rpartition(") ")[2].split()[1]
            if b"RANK=1" in variables and int(parent) == torchrun.pid:
                os.kill(int(path.parent.name), signal.SIGKILL)
    out, err = torchrun.communicate(timeout=120)
    assert torchrun.returncode == 0, err
    assert out == "run\n"
    assert "continuing from step" in err
    assert Run.open(Path("run")).select("last").step == 400


def test_streams_that_cannot_be_divided_among_the_processes_end_all_processes(
    text_file: Path, start: type[Processes]
) -> None:
    outcomes = start(*train(text_file, "run", "--batch-size", "5")).wait()
    assert [code for code, _, _ in outcomes] == [1, 1]
    assert "the 5 streams of the run cannot be divided equally among 2 processes" in outcomes[0][2]


def test_an_error_of_rank_zero_ends_all_processes_and_is_printed_once(
    text_file: Path, start: type[Processes]
) -> None:
    Path("run").mkdir()
    Path("run", "config.json").write_text("{}")
    first, second = start(*train(text_file, "run")).wait()
    assert (first[0], second[0]) == (1, 1)
    assert "run already contains a run" in first[2]
    assert second[2] == ""


def test_a_restart_without_out_dir_is_an_error(text_file: Path, start: type[Processes]) -> None:
    first, second = start("train", str(text_file), *FLAGS, restarts=1).wait()
    assert (first[0], second[0]) == (1, 1)
    assert "use --out-dir to name the folder of the run" in first[2]


def test_only_a_lost_connection_is_reported_as_another_process_that_ended() -> None:
    with pytest.raises(GroupError, match=r"has ended .*Connection closed by peer"), translate():
        raise RuntimeError("[tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:4")
    with pytest.raises(GroupError), translate():
        raise dist.DistBackendError("NCCL error: unhandled system error")
    with pytest.raises(MemoryError, match="out of memory"), translate():
        raise dist.DistBackendError("Cuda failure 2 'out of memory'")
    with pytest.raises(MemoryError, match="allocate"), translate():
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8")
    with pytest.raises(RuntimeError, match="shapes"), translate():
        raise RuntimeError("the shapes of two tensors differ")
