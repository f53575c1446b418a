"""The progress of long tasks, on standard error."""

import contextlib
from collections.abc import Iterator

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from charrnn.console.notebook import NotebookDisplay
from charrnn.console.output import make_displayable, stderr_console
from charrnn.console.text import make_printable
from charrnn.data.progress import ProgressCallback, Reading

REFRESHES_PER_SECOND = 8


class ProgressLine:
    """Shows the progress of tasks, one after the other.

    On a terminal, one line shows the current task and its percentage. Without a terminal, a line is
    printed when a task begins.
    """

    def __init__(self, console: Console, live: Live | NotebookDisplay) -> None:
        self._console = console
        self._live = live
        self._task = ""

    def show(self, reading: Reading) -> None:
        """Show the progress of a task."""
        if self._console.is_terminal:
            completed = min(1.0, reading.done / max(1, reading.total))
            row = Table.grid(padding=(0, 2))
            row.add_row(
                ProgressBar(total=1.0, completed=completed, width=40),
                Text(f"{completed:.0%}"),
                Text(make_printable(reading.task), overflow="ellipsis", no_wrap=True),
            )
            self._live.update(row)
        elif reading.task != self._task:
            self._console.print(Text(make_displayable(reading.task, self._console)))
        self._task = reading.task


@contextlib.contextmanager
def show_progress() -> Iterator[ProgressCallback]:
    """Yield a function that shows the progress of tasks until the context ends."""
    console = stderr_console()
    live = Live(console=console, refresh_per_second=REFRESHES_PER_SECOND, transient=True)
    if console.is_terminal and not console.quiet:
        live.start()
    try:
        yield ProgressLine(console, live).show
    finally:
        live.stop()
