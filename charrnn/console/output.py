"""All that is shown on a terminal: tables, text, errors and (training_view) progress."""

import math
import os
import sys
import unicodedata
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

_BIDIRECTIONAL = {0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)}


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


def printable(text: str) -> str:
    """Return the text as a terminal can safely show it.

    Control characters and bidirectional overrides, which could drive the terminal, are shown as
    symbols; line breaks and tabs stay.
    """
    return "".join(_symbol(character) for character in text)


def nats(loss: float) -> str:
    """Return a loss in both units, as a person reads it."""
    return f"{loss:.4f} nats = {loss / math.log(2):.4f} bits"


def duration(seconds: float) -> str:
    """Return seconds as `42s`, `5m 12s` or `2h 03m`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02d}m"


def print_error(message: str) -> None:
    """Show why charrnn could not."""
    messages().print(Text("error: ", style="bold red") + Text(printable(message)))


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table to standard output; columns of figures are set to the right."""
    table = Table(title=Text(printable(title)), title_justify="left", box=None, pad_edge=False)
    rows = list(rows)
    for number, column in enumerate(columns):
        figures = all(row[number][:1].isdigit() or row[number] == "-" for row in rows)
        table.add_column(column, justify="right" if figures else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    results().print(table)


def print_facts(facts: Iterable[tuple[str, str]], console: Console | None = None) -> None:
    """Print names and values, one a line, to standard output unless told otherwise."""
    grid = Table.grid(padding=(0, 2))
    for name, value in facts:
        grid.add_row(Text(name, style="bold"), Text(printable(value)))
    (console or results()).print(grid)


class TextOutput:
    """Standard output for written text: safe on a terminal, exact in a pipe.

    On a terminal the text ends with exactly one line break, however many it wrote.
    """

    def __init__(self) -> None:
        self._terminal = sys.stdout.isatty()
        self._breaks = 0  # line breaks not yet shown

    def write(self, text: str) -> None:
        """Show a piece of text at once."""
        if not self._terminal:
            sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
        elif body := text.rstrip("\n"):
            sys.stdout.write("\n" * self._breaks + printable(body))
            self._breaks = len(text) - len(body)
        else:
            self._breaks += len(text)
        sys.stdout.flush()

    def separate(self, label: str = "", first: bool = False) -> None:
        """Begin another text, or a first one, below a line of dashes that may have a label."""
        self._breaks = 0
        self.write("\n" * (not first) + (f" {label} " if label else "").center(40, "-") + "\n")

    def close(self) -> None:
        """End the text."""
        if self._terminal:
            sys.stdout.write("\n")
        sys.stdout.flush()


def print_samples(
    groups: Iterable[tuple[str, Iterable[tuple[int, str]]]], prompt: str, num_samples: int
) -> list[tuple[str, str]]:
    """Print texts below one another: the first of a group as it is written, the others after it.

    A group has a label, empty where there is only one, and its pieces: (sample number, new text),
    as `charrnn.sampling.write` gives them. Each text is shown with its prompt. Returns the label
    and the new text of each.
    """
    output, written = TextOutput(), []
    try:
        for place, (label, pieces) in enumerate(groups):
            if label:
                output.separate(label, first=place == 0)
            output.write(prompt)
            texts: list[list[str]] = [[] for _ in range(num_samples)]
            for number, piece in pieces:
                texts[number].append(piece)
                if number == 0:
                    output.write(piece)
            for text in texts[1:]:
                output.separate(label)
                output.write(prompt + "".join(text))
            written += [(label, "".join(text)) for text in texts]
    finally:
        output.close()
    return written


def _symbol(character: str) -> str:
    code = ord(character)
    if character in "\n\t" or (
        unicodedata.category(character) not in ("Cc", "Cs") and code not in _BIDIRECTIONAL
    ):
        return character
    if code < 0x20:
        return chr(0x2400 + code)  # the Unicode picture of this control character
    return "\u2421" if code == 0x7F else "\ufffd"
