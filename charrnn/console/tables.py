"""Tables, and lists of names and values."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from charrnn.console.output import results
from charrnn.console.text import printable


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
