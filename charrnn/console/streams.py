"""Standard input, output and error, made safe for a whole command.

What an encoding cannot represent is replaced. A closed stream is empty. Messages that cannot be
written are discarded; a result that cannot be written raises `OutputError`.
"""

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, TextIO, cast

from charrnn.console.text import make_encodable
from charrnn.errors import OutputError


class _SafeStream:
    """A stream of text or bytes that has no encoding errors, and calls `on_error` for others.

    After an error, the stream discards everything.
    """

    def __init__(self, stream: Any, on_error: Callable[[OSError | ValueError], None]) -> None:
        self._stream, self._on_error = stream, on_error

    def write(self, data: Any) -> int:
        """Write text, in which characters may be replaced, or bytes."""
        safe = make_encodable(data, self._stream.encoding) if isinstance(data, str) else data
        self._attempt(lambda: self._stream.write(safe))
        return len(data)

    def flush(self) -> None:
        """Flush the stream."""
        self._attempt(self._stream.flush)

    @property
    def buffer(self) -> "_SafeStream":
        """The stream of bytes below this stream of text."""
        return _SafeStream(self._stream.buffer, self._on_error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _attempt(self, action: Callable[[], object]) -> None:
        try:
            action()
        except (OSError, ValueError) as error:  # ValueError: the stream was closed
            with contextlib.suppress(OSError, ValueError):
                # The text that is still buffered goes to the null device when Python ends.
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, self._stream.fileno())
                os.close(null)
            self._on_error(error)


@contextlib.contextmanager
def safe_streams() -> Iterator[None]:
    """Make the standard streams safe until the end of the block."""
    for descriptor in range(3):
        _open_if_closed(descriptor)
    old_streams = sys.stdin, sys.stdout, sys.stderr
    sys.stdin = sys.stdin or os.fdopen(0, "r", encoding="utf-8", closefd=False)
    if isinstance(sys.stdin, io.TextIOWrapper):
        with contextlib.suppress(ValueError):  # it is closed, or something was read from it
            sys.stdin.reconfigure(errors="replace")  # of typed lines; texts are read as bytes
    sys.stdout = _make_safe(sys.stdout, 1, _raise_output_error)
    sys.stderr = _make_safe(sys.stderr, 2, lambda _: None)
    try:
        yield
        sys.stderr.flush()
    finally:
        sys.stdin, sys.stdout, sys.stderr = old_streams


def _open_if_closed(descriptor: int) -> None:
    """Open the null device if a standard stream is closed.

    Otherwise the next file that is opened, such as a checkpoint, would receive the messages.
    """
    try:
        os.fstat(descriptor)
    except OSError:
        opened = os.open(os.devnull, os.O_RDWR)  # the lowest descriptor that is free
        os.set_inheritable(opened, True)


def _make_safe(
    stream: TextIO | None, descriptor: int, on_error: Callable[[OSError | ValueError], None]
) -> TextIO:
    opened = stream or os.fdopen(descriptor, "w", encoding="utf-8", closefd=False)
    return cast(TextIO, _SafeStream(opened, on_error))


def _raise_output_error(error: OSError | ValueError) -> None:
    is_closed = isinstance(error, BrokenPipeError | ValueError)
    raise OutputError("" if is_closed else str(getattr(error, "strerror", "") or error)) from error
