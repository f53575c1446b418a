import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import charrnn
from charrnn.cli.app import COMMANDS
from charrnn.data import catalogue, downloads
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
from charrnn.model import loss as model_loss
from charrnn.runs import run
from charrnn.serve.api_errors import ServerError, StoppingError
from charrnn.training.events import Finished
from tests.cli.process import SMALL, TINY
from tests.conftest import VERSE, Cli

# One command for each error class: the message is one sentence, the exit code is 1.
FAILURES: list[tuple[type[CharrnnError], list[str], str]] = [
    (CorpusError, ["train", "nowhere.txt"], "there is no file nowhere.txt"),
    (CorpusError, ["train", "latin1.txt"], "latin1.txt is not UTF-8 text: byte 0xe9 at offset 3"),
    (DownloadError, ["train", "alice"], "alice could not be downloaded (127.0.0.1:1: "),
    (
        VocabularyError,
        ["sample", "verse", "-p", "~"],
        "not in the model's vocabulary: '~' (U+007E)",
    ),
    (CheckpointError, ["sample", "nobody"], "there is no run nobody"),
    (
        ConfigError,
        ["train", "verse.txt", "--init-from", "verse", "--hidden-size", "7"],
        "the run verse determines the shape of the network",
    ),
    (ConfigError, ["resume", "verse"], "verse is finished: it reached its limit"),
    (DeviceError, ["train", "--device", "mps"], "the device mps is not available"),
    (GroupError, ["resume", "verse"], "another process of this run has ended or cannot be"),
    (
        DivergedError,
        ["train", "verse.txt", *TINY, "--learning-rate", "10", "--clip-norm", "1e6"],
        "training diverged at step",
    ),
]


def test_every_error_class_has_a_case() -> None:
    serving = {ServerError, StoppingError}  # answers of the API
    assert {error for error, _, _ in FAILURES} == set(subclasses(CharrnnError)) - serving


def subclasses(kind: type[CharrnnError]) -> list[type[CharrnnError]]:
    return [
        subclass for direct in kind.__subclasses__() for subclass in [direct, *subclasses(direct)]
    ]


@pytest.mark.parametrize(("error", "arguments", "sentence"), FAILURES)
def test_an_error_prints_one_sentence_and_exits_with_code_1(
    error: type[CharrnnError],
    arguments: list[str],
    sentence: str,
    cli: Cli,
    finished: Finished,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("latin1.txt").write_bytes(b"caf\xe9 noir\n")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(downloads, "_PAUSES", (0.0,))
    unreachable = dataclasses.replace(catalogue.entries()["alice"], urls=("http://127.0.0.1:1/",))
    monkeypatch.setitem(catalogue.entries(), "alice", unreachable)
    monkeypatch.setenv("no_proxy", "*")
    if error is GroupError:  # rank 0 of 2 processes, of which the other is not started
        monkeypatch.setenv("RANK", "0")
        monkeypatch.setenv("WORLD_SIZE", "2")
    if error is DivergedError:  # this network is too small to diverge by itself
        plain = torch.nn.functional.cross_entropy
        monkeypatch.setattr(
            model_loss,
            "cross_entropy",
            lambda *args, **kw: plain(*args, **kw) * math.inf,
        )
    outcome = cli(*arguments)
    assert outcome.code == 1
    assert outcome.out == ""
    last = outcome.err.splitlines()[-1]
    assert last.startswith("error: ")
    assert sentence in last
    assert "Traceback" not in outcome.err


def test_an_error_of_the_operating_system_prints_one_sentence(
    cli: Cli, finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raise_disk_full(*_: object) -> None:
        raise OSError(28, "No space left on device", "metrics.jsonl")

    monkeypatch.setattr(run.Run, "open", raise_disk_full)
    outcome = cli("info", "verse")
    assert outcome.code == 1
    assert outcome.err == (
        "error: metrics.jsonl cannot be used (No space left on device): "
        "free some space on that disk\n"
    )


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
    assert outcome.err.startswith("error: ")
    assert outcome.err.count("\n") == 1


def out_of_memory_in_torch(*_: object) -> None:
    torch.empty(1 << 60, dtype=torch.uint8)


def out_of_memory_in_numpy(*_: object) -> None:
    np.empty(1 << 60, dtype=np.uint8)


def out_of_memory_on_the_gpu(*_: object) -> None:
    raise torch.OutOfMemoryError("CUDA out of room. Tried to allocate 20.00 GiB.")


def out_of_memory_of_the_driver(*_: object) -> None:
    raise torch.AcceleratorError(
        "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"
    )


def out_of_memory_on_mps(*_: object) -> None:
    raise RuntimeError("MPS backend out of memory (MPS allocated: 17.9 GB, max allowed: 18 GB).")


@pytest.mark.parametrize(
    "raise_error",
    [
        out_of_memory_in_torch,
        out_of_memory_in_numpy,
        out_of_memory_on_the_gpu,
        out_of_memory_of_the_driver,
        out_of_memory_on_mps,
    ],
)
def test_too_little_memory_prints_one_sentence(
    raise_error: Callable[..., None], cli: Cli, text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_loss, "linear", raise_error)
    outcome = cli("train", text_file, *TINY)
    assert outcome.code == 1
    assert outcome.err.splitlines()[-1].startswith("error: there is not enough memory")
    assert "Traceback" not in outcome.err


ILLEGAL_ACCESS = (
    "CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be "
    "asynchronously reported at some other API call, so the stacktrace below might be incorrect."
)


@pytest.mark.parametrize("error", [RuntimeError, torch.AcceleratorError])
def test_an_illegal_memory_access_of_the_gpu_prints_one_sentence(
    error: type[RuntimeError], cli: Cli, text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raise_error(*_: object) -> None:
        raise error(ILLEGAL_ACCESS)

    monkeypatch.setattr(model_loss, "linear", raise_error)
    outcome = cli("train", text_file, *TINY)
    assert outcome.code == 1
    last = outcome.err.splitlines()[-1]
    assert last.startswith("error: the GPU reported an illegal memory access, so this process")
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_that_can_use_a_gpu_has_a_device_flag(command: str, cli: Cli) -> None:
    """The message about an illegal memory access recommends this flag."""
    cpu_only = {"next", "list", "info", "verify", "remove", "export", "push", "serve", "corpora"}
    help_text = cli(command, "--help").out
    assert ("--device" in help_text) == (command not in cpu_only)


def test_another_error_that_mentions_memory_is_raised(
    cli: Cli, text_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raise_error(*_: object) -> None:
        raise RuntimeError("unsupported memory format option Preserve")

    monkeypatch.setattr(model_loss, "linear", raise_error)
    with pytest.raises(RuntimeError, match="unsupported memory format"):
        cli("train", text_file, *TINY)


def test_the_version_is_shown(cli: Cli) -> None:
    outcome = cli("--version")
    assert (outcome.code, outcome.out) == (0, f"charrnn {charrnn.__version__}\n")


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)], ids=str)
def test_help_has_a_short_flag(command: list[str], cli: Cli) -> None:
    assert cli(*command, "-h") == cli(*command, "--help")


@pytest.mark.parametrize(
    ("words", "completions"),
    [
        ("charrnn res", ["resume"]),
        ("charrnn train --num-l", ["--num-layers"]),
        ("charrnn train --cell ", ["lstm", "gru", "rnn"]),
        ("charrnn sample v", ["verse"]),
        ("charrnn score --run ", ["verse", "bard"]),
        ("charrnn plot ba", ["bard"]),
    ],
)
def test_shell_completion_covers_commands_flags_values_and_runs(
    words: str,
    completions: list[str],
    cli: Cli,
    finished: Finished,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("_CHARRNN_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))
    assert cli().out.split() == completions


def test_the_completion_script_of_a_shell_can_be_shown(cli: Cli) -> None:
    outcome = cli("--show-completion", "bash")
    assert outcome.code == 0
    assert "complete -o default -F _charrnn_completion charrnn" in outcome.out


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
def test_error_messages_contain_no_control_characters(
    finished: Finished, cli: Cli, arguments: list[str]
) -> None:
    outcome = cli(*arguments)
    assert outcome.code in (1, 2)
    assert not {"\x1b", "\x07", "\u202e"} & set(outcome.out + outcome.err)


def test_commands_show_a_hostile_run_without_control_characters(text_file: Path, cli: Cli) -> None:
    name = HOSTILE.replace("/", "")
    Path(f"{name}.txt").write_text(VERSE * 3 + HOSTILE, encoding="utf-8")
    assert cli("train", f"{name}.txt", *SMALL, "--max-steps", "5").code == 0
    for command in (["list"], ["info", name], ["verify", name], ["score", name]):
        outcome = cli(*command)
        assert outcome.code == 0
        assert not {"\x1b", "\x07", "\u202e"} & set(outcome.out + outcome.err)
        assert "[red]" in outcome.out
