"""Tables, and lists of names with values."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from charrnn.console.output import make_displayable, stdout_console
from charrnn.console.text import make_printable


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table to standard output; columns of numbers are right-aligned."""
    console = stdout_console()
    table = Table(box=None, pad_edge=False)
    rows = list(rows)
    for index, column in enumerate(columns):
        is_numeric = all(row[index][:1].isdigit() or row[index] == "-" for row in rows)
        table.add_column(column, justify="right" if is_numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(make_printable(cell)) for cell in row))
    console.print(Text(make_printable(title), style="table.title"), soft_wrap=True)
    console.print(table)


def print_facts(facts: Iterable[tuple[str, str]], console: Console | None = None) -> None:
    """Print one name and value per line, to `console` or else to standard output."""
    console = console or stdout_console()
    grid = Table.grid(padding=(0, 2))
    for name, value in facts:
        grid.add_row(Text(name, style="bold"), Text(make_displayable(value, console)))
    console.print(grid)
