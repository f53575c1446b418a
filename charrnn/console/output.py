"""Standard output for results, standard error for everything else."""

import json
import os
import sys
from typing import Any

from rich.console import Console
from rich.text import Text

from charrnn.console.text import make_printable


class _Messages(Console):
    """A console on standard error. If it is closed, messages are discarded and work continues."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


class _Results(Console):
    """A console on standard output. If it is closed, `BrokenPipeError` ends the command."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def stderr_console() -> Console:
    """Return a console on standard error, for everything except the result."""
    return _Messages(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)


def stdout_console() -> Console:
    """Return a console on standard output, for tables and charts that are the result."""
    return _Results(highlight=False)


def print_result(text: str) -> None:
    """Print a line to standard output unchanged, also if it contains names that are not UTF-8."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape") + b"\n")
    sys.stdout.flush()


def print_error(message: str) -> None:
    """Print an error message to standard error."""
    stderr_console().print(Text("error: ", style="bold red") + Text(make_printable(message)))


def print_warning(message: str) -> None:
    """Print a warning to standard error."""
    stderr_console().print(make_printable(f"warning: {message}"))


def print_json(value: Any) -> None:
    """Print a result as JSON to standard output."""
    print_result(json.dumps(value, indent=2, ensure_ascii=False))
