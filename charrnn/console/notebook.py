"""Output in a Jupyter notebook."""

import io
import time
from typing import Any

from rich.console import Console, RenderableType

_WIDTH = 100  # columns
_UPDATE_SECONDS = 0.5  # between two updates
_PRE = '<pre style="line-height:normal;font-family:Menlo,Consolas,monospace">{code}</pre>'


class NotebookDisplay:
    """A part of the output of a cell that is replaced, as `rich.live.Live` does on a terminal."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._pending: RenderableType | None = None
        self._next_update = 0.0

    def start(self) -> None:
        """Add the part to the output of the cell."""
        from IPython.display import HTML, display

        self._handle = display(HTML(""), display_id=True)

    def update(self, renderable: RenderableType) -> None:
        """Show something else, if the last update was long enough ago."""
        self._pending = renderable
        if time.monotonic() >= self._next_update:
            self._next_update = time.monotonic() + _UPDATE_SECONDS
            self._show()

    def stop(self) -> None:
        """Show what is pending."""
        self._show()

    def _show(self) -> None:
        if self._handle is not None and self._pending is not None:
            from IPython.display import HTML

            self._handle.update(HTML(_to_html(self._pending)))
            self._pending = None


def _to_html(renderable: RenderableType) -> str:
    console = Console(
        record=True, file=io.StringIO(), width=_WIDTH, force_jupyter=False, color_system="truecolor"
    )
    console.print(renderable)
    return console.export_html(inline_styles=True, code_format=_PRE)
