"""The README tells the truth about the commands and their flags."""

import re
import shlex
from pathlib import Path

import pytest

from charrnn.cli.app import COMMANDS
from tests.conftest import Cli

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def shown_commands() -> list[list[str]]:
    """Every `charrnn ...` line of the README's shell blocks, as words."""
    blocks = re.findall(r"```(?:sh|console)\n(.*?)```", README, re.DOTALL)
    lines = [line.removeprefix("$ ") for block in blocks for line in block.split("\n")]
    parts = [part for line in lines for part in re.split(r"&& |\| ", line)]
    return [shlex.split(part, comments=True) for part in parts if part.startswith("charrnn ")]


def test_the_table_lists_every_command() -> None:
    table = re.findall(r"^\| `charrnn (\w+)", README, re.MULTILINE)
    assert table == list(COMMANDS)


@pytest.mark.parametrize("words", shown_commands(), ids=" ".join)
def test_every_flag_shown_is_in_the_help(
    words: list[str], cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = [word.split("=")[0] for word in words[2:] if re.match(r"--?[a-z]", word)]
    outcome = cli(words[1], "--help") if words[1] != "--help" else cli("--help")
    assert outcome.code == 0
    for flag in flags:
        assert re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", outcome.out), flag


def test_every_flag_named_anywhere_exists(cli: Cli) -> None:
    known = "".join(cli(each, "--help").out for each in COMMANDS if each != "corpora")
    named = set(re.findall(r"`(--[a-z][a-z-]+)", README))
    assert named
    assert [flag for flag in sorted(named) if flag not in known] == []


def test_the_set_up_is_the_two_documented_commands() -> None:
    assert "pip install -e . && charrnn train\n" in README
    assert 'pip install -e ".[test]" && pytest\n' in README
