"""Standard output for results, standard error for everything else."""

import dataclasses
import json
import sys
from typing import Any

from rich.console import Console
from rich.prompt import Confirm, Prompt
from rich.text import Text

from charrnn.console.text import encode_exactly, escape_unencodable, make_printable


@dataclasses.dataclass
class _Settings:
    is_quiet: bool = False


_settings = _Settings()


def set_quiet(is_quiet: bool) -> None:
    """Print only errors and results from now on, or everything."""
    _settings.is_quiet = is_quiet


def is_quiet() -> bool:
    """Return whether only errors and results are printed."""
    return _settings.is_quiet


def stderr_console(*, is_always_shown: bool = False) -> Console:
    """Return a console on standard error, for everything except the result.

    `--quiet` hides what is printed, unless `is_always_shown`.
    """
    return Console(
        stderr=True,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=True,
        quiet=is_quiet() and not is_always_shown,
    )


def stdout_console() -> Console:
    """Return a console on standard output, for tables and charts that are the result."""
    return Console(highlight=False, markup=False, emoji=False)


def make_displayable(text: str, console: Console) -> str:
    """Return a text that a console can show: control characters become symbols.

    Characters that the encoding of the console lacks become escapes, as in Python.
    """
    return escape_unencodable(make_printable(text), console.encoding)


def print_message(message: str, *, is_requested: bool = False) -> None:
    """Print a message to standard error; `--quiet` hides it, unless the user requested it."""
    console = stderr_console(is_always_shown=is_requested)
    console.print(make_displayable(message, console))


def ask(question: str) -> bool:
    """Ask a question on standard error; return whether the answer is yes."""
    console = stderr_console(is_always_shown=True)
    try:
        return Confirm.ask(make_displayable(question, console), console=console, default=False)
    except EOFError:
        return False


def ask_text(question: str) -> str:
    """Ask for a text on standard error; return the answer, or nothing at the end of the input."""
    console = stderr_console(is_always_shown=True)
    try:
        return Prompt.ask(make_displayable(question, console), console=console)
    except EOFError:
        return ""


def print_error(message: str) -> None:
    """Print an error message to standard error."""
    console = stderr_console(is_always_shown=True)
    text = Text(make_displayable(message, console))
    console.print(Text("error: ", style="bold red") + text)


def print_warning(message: str) -> None:
    """Print a warning to standard error."""
    print_message(f"warning: {message}")


def write_result(text: str) -> None:
    """Write text to standard output: exact UTF-8 in a pipe or file, safe on a terminal."""
    if sys.stdout.isatty():
        sys.stdout.write(make_printable(text))
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(encode_exactly(text))
    sys.stdout.flush()


def print_result(text: str) -> None:
    """Print a line to standard output, as `write_result` does."""
    write_result(f"{text}\n")


def print_json(value: Any) -> None:
    """Print a result as JSON to standard output; surrogates become escapes."""
    print_result(escape_unencodable(json.dumps(value, indent=2, ensure_ascii=False), "utf-8"))
