import io
import sys

import pytest

from charrnn.console.samples import TextOutput


class Stdout(io.TextIOWrapper):
    def __init__(self, terminal: bool) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", newline="")
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal

    def read_bytes_as_text(self) -> str:
        self.flush()
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue().decode("utf-8")


@pytest.mark.parametrize(
    ("pieces", "expected"),
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
    pieces: list[str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdout = Stdout(terminal=True)
    monkeypatch.setattr(sys, "stdout", stdout)
    output = TextOutput()
    for piece in pieces:
        output.show_text(piece)
    output.close()
    assert stdout.read_bytes_as_text() == expected


def test_in_a_pipe_the_text_is_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    stdout = Stdout(terminal=False)
    monkeypatch.setattr(sys, "stdout", stdout)
    output = TextOutput()
    for piece in ("\x1b\r\n", "é", "\n\n"):
        output.show_text(piece)
    output.close()
    assert stdout.read_bytes_as_text() == "\x1b\r\né\n\n"
