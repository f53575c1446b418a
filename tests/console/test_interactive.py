import fcntl
import os
import pty
import select
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from charrnn.training.events import Finished

RUN_IN_TERMINAL = Path(__file__).with_name("run_in_terminal.py")


class Session:
    """`charrnn sample -i` on a pseudo-terminal."""

    def __init__(self, *arguments: str) -> None:
        self._leader, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, b"\x18\x00\x50\x00\x00\x00\x00\x00")
        self.process = subprocess.Popen(
            [sys.executable, RUN_IN_TERMINAL, "sample", "verse", "-i", *arguments],
            stdin=follower,
            stdout=follower,
            stderr=follower,
            env={**os.environ, "TERM": "dumb"},
        )
        os.close(follower)

    def type_keys(self, keys: str) -> None:
        os.write(self._leader, keys.encode())

    def read_until(self, expected: str, seconds: float = 60) -> str:
        """Return the output up to `expected`."""
        output, deadline = "", time.monotonic() + seconds
        while expected not in output:
            ready, _, _ = select.select([self._leader], [], [], 0.1)
            assert time.monotonic() < deadline, f"{expected!r} not in {output!r}"
            if ready:
                output += os.read(self._leader, 1).decode("utf-8", "replace").replace("\r", "")
        return output.removesuffix(expected)

    def interrupt(self, expected: str) -> None:
        """Press Ctrl-C until `expected` appears.

        Python may handle a signal only after the next key is pressed.
        """
        output, presses = "", 0
        while expected not in output:
            assert presses < 20, f"{expected!r} not in {output!r}"
            self.type_keys("\x03")
            presses += 1
            while select.select([self._leader], [], [], 1.5)[0] and expected not in output:
                output += os.read(self._leader, 1).decode("utf-8", "replace").replace("\r", "")

    def send_line(self, line: str) -> str:
        """Type a line; return the output between it and the next prompt."""
        self.type_keys(line + "\n")
        self.read_until("\n")
        return self.read_until("\n> ")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._leader)


@pytest.fixture
def session(finished: Finished) -> Iterator[Session]:
    session = Session("-n", "40", "-s", "1")
    session.read_until("> ")
    yield session
    session.close()


def test_commands_and_answers_of_a_conversation(session: Session) -> None:
    first = session.send_line("The")
    assert first.startswith("The")
    second = session.send_line("/again")
    assert second.startswith("The")
    assert second != first
    session.type_keys("\x1b[A")  # the previous line, from the history
    third = session.send_line("")
    assert third.startswith("The")
    assert third not in (first, second)
    assert "/temperature 1.1" in session.send_line("/hepl\x7f\x7flp")
    assert "temperature 0.5" in session.send_line("/temperature 0.5")
    session.send_line("/more")
    session.send_line("/seed 1")
    assert "characters to kept.txt" in session.send_line("/save kept.txt")
    kept = Path("kept.txt").read_text("utf-8")
    assert kept.startswith(third)
    assert len(kept) > len(third)
    session.send_line("/new")
    assert session.send_line("/temperature 0.9") == "temperature 0.9"
    assert session.send_line("The") == first


def test_repetition_in_a_conversation_is_reported_and_prevented(session: Session) -> None:
    session.send_line("/temperature 0")
    assert "length 3000" in session.send_line("/length 3000")
    assert "the text repeats itself: type /no-repeat 20 or" in session.send_line("The")
    assert "repeats itself" not in session.send_line("")  # reported once
    assert "no-repeat 1" in session.send_line("/no-repeat 1")
    ended = " ".join(session.send_line("").split())
    assert "the answer ends here, because each possible next character would repeat" in ended
    assert "no-repeat off" in session.send_line("/no-repeat off")


def test_errors_are_shown_and_the_conversation_continues(session: Session) -> None:
    assert "error: there is no command /dance: type /help" in session.send_line("/dance")
    assert "error: /temperature must be a number from 0" in session.send_line("/temperature -1")
    assert "error: 'warm' is not a number" in session.send_line("/temperature warm")
    assert "error: /top-k must be a whole number from 1" in session.send_line("/top-k 0")
    assert "error: 'off' is not a number" in session.send_line("/length off")
    assert "min-p off" in session.send_line("/min-p off")
    unknown = session.send_line("~")
    assert "not in the model's vocabulary: " in unknown
    assert "'~' (U+007E): remove them from the text" in unknown
    assert "--unknown" not in unknown
    assert "No such file or directory" in session.send_line("/save no/such/folder")
    assert "the home folder in ~nobody-here/a" in session.send_line("/save ~nobody-here/a")
    Path("kept.txt").touch()
    taken = "there is a file kept.txt already: give another name"
    assert taken in session.send_line("/save kept.txt")
    assert "/save needs a value: type /save text.txt" in session.send_line("/save")
    assert "/top-k needs a value: type /top-k 1" in session.send_line("/top-k")
    assert session.send_line("The").startswith("The")


def test_ctrl_c_stops_the_answer_but_not_the_program(session: Session) -> None:
    assert "length 1000000" in session.send_line("/length 1000000")
    session.type_keys("The\n")
    session.read_until("The\nThe")  # echo and answer
    session.type_keys("\x03")
    session.read_until("\n> ")
    session.type_keys("half a line")
    session.read_until("half a line")
    session.interrupt("(press Ctrl-D to end)\n> ")
    assert "length 5" in session.send_line("/length 5")
    session.type_keys("\x04")
    assert session.process.wait(timeout=20) == 0
