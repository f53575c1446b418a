"""Standard output for results, standard error for everything else."""

import json
import os
import sys
from typing import Any

from rich.console import Console
from rich.text import Text

from charrnn.console.text import printable


class _Messages(Console):
    """Standard error. When nobody reads it any more it falls silent, and work goes on."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


class _Results(Console):
    """Standard output. When nobody reads it any more the command ends (`BrokenPipeError`)."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def messages() -> Console:
    """Return the console for everything but the result: standard error."""
    return _Messages(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)


def results() -> Console:
    """Return the console for tables and pictures that are the result: standard output."""
    return _Results(highlight=False)


def print_result(text: str) -> None:
    """Print a line to standard output as it is, names that are not UTF-8 included."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape") + b"\n")
    sys.stdout.flush()


def print_error(message: str) -> None:
    """Show why charrnn could not."""
    messages().print(Text("error: ", style="bold red") + Text(printable(message)))


def print_json(value: Any) -> None:
    """Print a result for other programs."""
    print_result(json.dumps(value, indent=2, ensure_ascii=False))
