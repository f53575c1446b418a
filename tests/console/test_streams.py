import io
import os
import sys
from pathlib import Path

import pytest

from charrnn.console.streams import safe_streams
from charrnn.errors import OutputError

FULL_DISK = Path("/dev/full")


def make_closed_pipe(encoding: str = "utf-8") -> io.TextIOWrapper:
    """Return a stream to a pipe that no process reads."""
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "w", encoding=encoding)


def test_characters_that_the_encoding_lacks_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(file, encoding="cp1252", newline=""))
    with safe_streams():
        print("caf\xe9 \u05d0 ━")
        sys.stdout.flush()
    assert file.getvalue() == b"caf\xe9 ? -\n"


def test_a_closed_pipe_is_an_output_error_without_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = make_closed_pipe()
    monkeypatch.setattr(sys, "stdout", stream)
    with safe_streams():
        print("text")
        with pytest.raises(OutputError) as raised:
            sys.stdout.flush()
        print("more text is discarded")
        sys.stdout.flush()
    assert raised.value.reason == ""
    stream.close()  # the text that is still buffered is discarded too


@pytest.mark.skipif(not FULL_DISK.exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_an_output_error_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    with FULL_DISK.open("w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        with safe_streams():
            sys.stdout.buffer.write(b"text")
            with pytest.raises(OutputError, match="No space left on device"):
                sys.stdout.flush()


def test_messages_that_cannot_be_written_are_discarded(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = make_closed_pipe()
    monkeypatch.setattr(sys, "stderr", stream)
    with safe_streams():
        print("a message", file=sys.stderr, flush=True)
        print("another message", file=sys.stderr, flush=True)
    stream.close()


def test_closed_streams_are_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    with safe_streams():
        assert sys.stdout.isatty() is False
        assert sys.stdin.fileno() == 0
        print("text", file=sys.stderr)
    assert sys.stdout is None


def test_typed_bytes_that_cannot_be_decoded_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    typed = io.TextIOWrapper(io.BytesIO(b"caf\xe9\n"), encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", typed)
    with safe_streams():
        assert input() == "caf\ufffd"


def test_a_standard_input_that_was_read_or_closed_is_no_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(b"one\ntwo\n"), "utf-8")
    monkeypatch.setattr(sys, "stdin", stdin)
    assert stdin.readline() == "one\n"
    with safe_streams():
        assert sys.stdin.readline() == "two\n"
    stdin.close()
    with safe_streams():
        print("text")
