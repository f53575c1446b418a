"""Generated text on standard output."""

import sys
from collections.abc import Iterable

from charrnn.console.text import printable
from charrnn.sampling.loop import Piece


class TextOutput:
    """Standard output for written text: safe on a terminal, exact in a pipe.

    On a terminal the text ends with exactly one line break, however many it wrote.
    """

    def __init__(self) -> None:
        self._terminal = sys.stdout.isatty()
        self._breaks = 0  # line breaks not yet shown

    def show_text(self, text: str) -> None:
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
        self.show_text("\n" * (not first) + (f" {label} " if label else "").center(40, "-") + "\n")

    def close(self) -> None:
        """End the text."""
        if self._terminal:
            sys.stdout.write("\n")
        sys.stdout.flush()


def print_samples(
    groups: Iterable[tuple[str, Iterable[Piece]]], prompt: str, num_samples: int
) -> list[tuple[str, str]]:
    """Print texts below one another: the first of a group as it is written, the others after it.

    A group has a label, empty where there is only one, and its pieces, in the order in which
    `charrnn.sampling.loop.stream_samples` yields them. Each text is shown with its prompt. Returns
    the label and the new text of each.
    """
    output, written = TextOutput(), []
    try:
        for place, (label, pieces) in enumerate(groups):
            if label:
                output.separate(label, first=place == 0)
            output.show_text(prompt)
            texts: list[list[str]] = [[] for _ in range(num_samples)]
            for piece in pieces:
                texts[piece.sample].append(piece.text)
                if piece.sample == 0:
                    output.show_text(piece.text)
            for text in texts[1:]:
                output.separate(label)
                output.show_text(prompt + "".join(text))
            written += [(label, "".join(text)) for text in texts]
    finally:
        output.close()
    return written
