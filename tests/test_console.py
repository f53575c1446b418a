import io
import sys

import pytest

from charrnn.console import output
from charrnn.console.output import TextOutput, duration, nats, printable


class Stdout(io.TextIOWrapper):
    def __init__(self, terminal: bool) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", newline="")
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal

    def written(self) -> str:
        self.flush()
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue().decode("utf-8")


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[31mred", "␛[31mred"),
        ("a\rb\x07\x7f", "a␍b␇␡"),
        ("\x9b2J", "�2J"),
        ("abc\u202edef\u2066", "abc�def�"),
        ("tab\tand\nline", "tab\tand\nline"),
        ("café 漢字 👩\u200d🚀", "café 漢字 👩\u200d🚀"),
    ],
)
def test_nothing_written_can_drive_the_terminal(hostile: str, shown: str) -> None:
    assert printable(hostile) == shown


@pytest.mark.parametrize(
    ("pieces", "shown"),
    [
        (["ab", "\n", "\n", "c"], "ab\n\nc\n"),
        (["ab\n\n", "\n"], "ab\n"),
        (["ab\n", "c"], "ab\nc\n"),
        (["ab"], "ab\n"),
        ([], "\n"),
        (["\x1b"], "␛\n"),
    ],
)
def test_on_a_terminal_a_text_ends_with_one_line_break(
    pieces: list[str], shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdout = Stdout(terminal=True)
    monkeypatch.setattr(sys, "stdout", stdout)
    output = TextOutput()
    for piece in pieces:
        output.write(piece)
    output.close()
    assert stdout.written() == shown


def test_in_a_pipe_a_text_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    stdout = Stdout(terminal=False)
    monkeypatch.setattr(sys, "stdout", stdout)
    output = TextOutput()
    for piece in ("\x1b\r\n", "é", "\n\n"):
        output.write(piece)
    output.close()
    assert stdout.written() == "\x1b\r\né\n\n"


def test_losses_are_shown_in_both_units() -> None:
    assert nats(1.0) == "1.0000 nats = 1.4427 bits"


@pytest.mark.parametrize(
    ("seconds", "shown"), [(41.6, "42s"), (59.7, "1m 00s"), (312, "5m 12s"), (7390, "2h 03m")]
)
def test_durations_are_short(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def test_markup_in_names_is_not_interpreted(capfd: pytest.CaptureFixture[str]) -> None:
    output.print_error("no [bold]file[/bold] :smile:")
    output.print_table("t", ("run", "n"), [("[red]x[/red]", "1")])
    output.print_facts([("name", "[link=x]y[/link]")])
    shown = "".join(capfd.readouterr())
    for literal in ("[bold]file[/bold] :smile:", "[red]x[/red]", "[link=x]y[/link]"):
        assert literal in shown
