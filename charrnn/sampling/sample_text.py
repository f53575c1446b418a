"""A text while it is generated: the part that can be displayed, and whether it has ended."""

from collections.abc import Sequence

from charrnn.config.sampling import SampleConfig
from charrnn.sampling.constraints import position_after_prompt
from charrnn.sampling.repetition import RunHistory


class SampleText:
    """A text while it is generated: its position, its pending characters, whether it has ended."""

    def __init__(
        self,
        prompt: str,
        config: SampleConfig,
        has_rules: bool,
        history: RunHistory | None = None,
        separator: str | None = None,
        stops: Sequence[str] = (),
    ) -> None:
        """`history` is that of the prompt, with `no_repeat`; a `separator` ends a document.

        `stops` are stop texts in addition to that of the config.
        """
        self.has_ended = self.is_whole_document = False
        self.pending = ""
        """Characters at the end that may be the start of a stop text."""
        repeating = history.repeating if history else ""
        self.position = position_after_prompt(prompt)._replace(repeating=repeating)
        """The position of the next character; updated only if there are rules."""
        self._has_rules, self._history = has_rules, history
        self._stops = (*([config.stop] if config.stop else []), *stops)
        self._separator = separator
        self._num_lines = len(config.acrostic) if config.acrostic else None

    def add(self, new_text: str) -> str:
        """Add new text (with rules, one character); return the text that can now be displayed."""
        if self._separator is not None:
            new_text, end, _ = new_text.partition(self._separator)
            self.is_whole_document = bool(end)
        if self._has_rules and new_text:
            repeating = self._history.add(new_text) if self._history else ""
            self.position = self.position.advance(new_text, repeating)
            self.has_ended = self.position.line == self._num_lines
        self.has_ended |= self.is_whole_document
        if not self._stops:
            return new_text
        text = self.pending + new_text
        # The first stop text to be complete ends the text; of several, the longest one.
        ends = [(text.find(stop) + len(stop), -len(stop)) for stop in self._stops if stop in text]
        if ends:
            self.has_ended, self.is_whole_document = True, False
            self.pending = ""
            return text[: sum(min(ends))]
        self.pending = "" if self.has_ended else self._find_start_of_stop(text)
        return text[: len(text) - len(self.pending)]

    def _find_start_of_stop(self, text: str) -> str:
        """Return the longest suffix of a text that is a prefix of a stop text."""
        longest = min(len(text), max(map(len, self._stops)) - 1)
        for length in range(longest, 0, -1):
            if any(stop.startswith(text[-length:]) for stop in self._stops):
                return text[-length:]
        return ""
