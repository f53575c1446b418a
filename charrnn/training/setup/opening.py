"""Opens the text of a run; a stop request interrupts it."""

import threading
from collections.abc import Callable

from charrnn.data.corpus import Corpus
from charrnn.data.progress import ProgressCallback, Reading


class _StopRequested(Exception):  # noqa: N818
    """A stop request came while the text was read."""


def open_unless_stopped(
    open_text: Callable[[ProgressCallback], Corpus],
    progress: ProgressCallback | None,
    stop: threading.Event,
) -> Corpus | None:
    """Open a text with a progress callback; return None if `stop` is set while it is read."""

    def report(reading: Reading) -> None:
        if stop.is_set():
            raise _StopRequested
        if progress:
            progress(reading)

    try:
        return open_text(report)
    except _StopRequested:
        return None
