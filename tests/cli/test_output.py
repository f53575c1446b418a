"""What commands do with an output that is closed, full or lacks characters; --quiet."""

import io
import subprocess
import sys
from pathlib import Path

import pytest

from charrnn.cli.app import COMMANDS
from charrnn.training.events import Finished
from tests.cli.process import TINY
from tests.conftest import Cli

HEBREW = "בראשית ברא אלהים את השמים ואת הארץ\n"
READING = [
    ["list"],
    ["info", "verse"],
    ["verify", "verse"],
    ["corpora"],
    ["plot", "verse"],
    ["score", "verse"],
    ["score", "verse", "--per-char"],
    ["neurons", "verse", "--unit", "1:1"],
    ["sample", "verse", "-n", "20"],
    ["train", "--help"],
    ["--version"],
]


@pytest.fixture
def hebrew_run(cli: Cli) -> None:
    Path("verse.txt").write_text(HEBREW * 40, encoding="utf-8")
    assert cli("train", "verse.txt", *TINY).code == 0


class LimitedTerminal(io.TextIOWrapper):
    """A terminal with a limited encoding."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "cp437"])
@pytest.mark.parametrize("is_terminal", [False, True])
def test_no_output_fails_because_of_the_encoding(
    encoding: str,
    is_terminal: bool,
    hebrew_run: None,
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kind = LimitedTerminal if is_terminal else io.TextIOWrapper
    for arguments in [*READING, ["train", "verse.txt", "--dry-run", *TINY], ["sample", "-p", "~"]]:
        files = io.BytesIO(), io.BytesIO()
        for name, file in zip(("stdout", "stderr"), files, strict=True):
            monkeypatch.setattr(sys, name, kind(file, encoding=encoding))
        code = cli(*arguments).code
        assert code == (1 if "~" in arguments else 0)
        if arguments[0] == "sample" and not is_terminal:
            files[0].getvalue().decode("utf-8")
        else:
            files[0].getvalue().decode(encoding)
        files[1].getvalue().decode(encoding)


def test_a_character_that_the_encoding_lacks_is_replaced(
    hebrew_run: None, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_on(stdout: io.TextIOWrapper, *arguments: str) -> bytes:
        monkeypatch.setattr(sys, "stdout", stdout)
        assert cli(*arguments).code == 0
        assert isinstance(stdout.buffer, io.BytesIO)
        return stdout.buffer.getvalue()

    sample = ("sample", "-p", "ברא", "-n", "1", "-t", "0")
    in_a_pipe = run_on(io.TextIOWrapper(io.BytesIO(), encoding="cp1252"), *sample)
    assert in_a_pipe.decode("utf-8").startswith("ברא")
    on_a_terminal = run_on(LimitedTerminal(io.BytesIO(), encoding="cp1252"), *sample)
    assert on_a_terminal.startswith(b"???")
    dry_run = run_on(
        io.TextIOWrapper(io.BytesIO(), encoding="cp1252"), "train", "verse.txt", "--dry-run", *TINY
    )
    assert rb"'\u05d0'" in dry_run
    text = run_on(
        io.TextIOWrapper(io.BytesIO(), encoding="cp1252"), "score", "--per-char", "-n", "8"
    )
    first, bars = text.decode("cp1252").splitlines()[:2]
    assert set(first) <= set("? $")
    assert set(bars) <= set("12345678")


@pytest.mark.parametrize("arguments", READING, ids=" ".join)
def test_a_closed_output_is_no_error_and_a_full_disk_is_one(
    arguments: list[str], finished: Finished, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    outcome = cli(*arguments)
    assert outcome.code == 0
    assert "Traceback" not in outcome.err
    if Path("/dev/full").exists():
        with Path("/dev/full").open("w", encoding="utf-8") as full_disk:
            monkeypatch.setattr(sys, "stdout", full_disk)
            outcome = cli(*arguments)
        assert outcome.code == 1
        sentence = "the result could not be written to standard output: No space left on device"
        assert outcome.err.splitlines()[-1] == f"error: {sentence}"


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_run_is_trained_and_saved_if_the_streams_are_closed(closed: str, text_file: Path) -> None:
    command = [sys.executable, "-m", "charrnn", "train", str(text_file), *TINY, "-o", "run"]
    shell = ["/bin/sh", "-c", f'exec "$@" {closed}', "sh", *command]
    completed = subprocess.run(shell, capture_output=True, check=False, text=True)
    assert completed.returncode == 0
    assert "Traceback" not in completed.stderr
    assert completed.stdout == ("run\n" if closed == "2>&-" else "")
    verify = [sys.executable, "-m", "charrnn", "verify", "run", "--quiet"]
    assert subprocess.run(verify, check=False, capture_output=True).returncode == 0


def test_a_pipe_that_closes_early_is_no_error(finished: Finished) -> None:
    command = [sys.executable, "-m", "charrnn", "sample", "verse", "-q", "-n", "200000"]
    program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert program.stdout
    assert program.stderr
    assert len(program.stdout.read(10)) == 10
    program.stdout.close()
    assert program.stderr.read() == b""
    program.stderr.close()
    assert program.wait() == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_the_flag_quiet(command: str, cli: Cli) -> None:
    assert "--quiet" in cli(command, "--help").out


def test_quiet_shows_only_the_result(text_file: Path, cli: Cli) -> None:
    assert cli("train", text_file, *TINY, "--quiet") == (0, "checkpoints/verse\n", "")
    assert cli("resume", "--max-steps", "25", "-q") == (0, "checkpoints/verse\n", "")
    outcome = cli("sample", "-n", "20", "-q")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out
    assert cli("verify", "-q").err == ""
    assert cli("export", "-o", "m.html", "-q") == (0, "m.html\n", "")
    assert cli("corpora", "clean", "-q") == (0, "", "")


def test_quiet_shows_errors(cli: Cli) -> None:
    outcome = cli("train", "nowhere.txt", "--quiet")
    assert outcome.code == 1
    assert outcome.err.startswith("error: there is no file nowhere.txt")
    assert cli("list").err != ""  # the flag does not stay


def test_the_version_has_a_short_flag(cli: Cli) -> None:
    assert cli("-V") == cli("--version")
