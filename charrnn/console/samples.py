"""Generated text on standard output."""

import sys
from collections.abc import Iterable

from charrnn.console.output import write_result
from charrnn.sampling.loop import Piece


class TextOutput:
    """Standard output for generated text: safe on a terminal, exact in a pipe.

    On a terminal the text always ends with exactly one line break.
    """

    def __init__(self) -> None:
        self._is_terminal = sys.stdout.isatty()
        self._pending_breaks = 0  # line breaks at the end of the text that are not yet shown

    def show_text(self, text: str) -> None:
        """Write a piece of text and flush it."""
        if not self._is_terminal:
            write_result(text)
        elif body := text.rstrip("\n"):
            write_result("\n" * self._pending_breaks + body)
            self._pending_breaks = len(text) - len(body)
        else:
            self._pending_breaks += len(text)

    def show_separator(
        self, label: str = "", is_first: bool = False, separator: str | None = None
    ) -> None:
        """Show a line of dashes, with an optional label, above the next text or the first one.

        Between documents, show their `separator` instead, unless a terminal cannot display it.
        """
        if separator is not None and (not self._is_terminal or separator == "\n"):
            write_result("" if is_first else separator)
            return
        self._pending_breaks = 0
        self.show_text(
            "\n" * (not is_first) + (f" {label} " if label else "").center(40, "-") + "\n"
        )

    def close(self) -> None:
        """End the text."""
        if self._is_terminal:
            write_result("\n")


def print_samples(
    groups: Iterable[tuple[str, Iterable[Piece]]],
    prompt: str,
    num_samples: int,
    separator: str | None = None,
) -> list[tuple[str, str]]:
    """Print groups of texts: the first text of a group while it is generated, then the others.

    A group is a label (empty if there is only one group) and the pieces of its texts, in the order
    in which `charrnn.sampling.loop.stream_samples` yields them. Each text is printed after its
    prompt. `separator` is that of documents, if the texts are documents. Returns the label and the
    new text of each sample.
    """
    output, labeled_texts = TextOutput(), []
    try:
        for index, (label, pieces) in enumerate(groups):
            if label:
                output.show_separator(label, index == 0, separator)
            output.show_text(prompt)
            texts: list[list[str]] = [[] for _ in range(num_samples)]
            for piece in pieces:
                texts[piece.sample].append(piece.text)
                if piece.sample == 0:
                    output.show_text(piece.text)
            for text in texts[1:]:
                output.show_separator(label, separator=separator)
                output.show_text(prompt + "".join(text))
            labeled_texts += [(label, "".join(text)) for text in texts]
    finally:
        output.close()
    return labeled_texts
