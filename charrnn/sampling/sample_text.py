"""One text while it is generated: what can be shown of it, and whether it has ended."""

from charrnn.config.sampling import SampleConfig
from charrnn.sampling.constraints import first_place


class SampleText:
    """One text being written: where it is, what of it is held back, and whether it has ended."""

    def __init__(self, prompt: str, config: SampleConfig, ruled: bool) -> None:
        self.ended = False
        self.held = ""
        """What may be the beginning of the stop text."""
        self.place = first_place(prompt)
        """Where the next character stands; kept only where rules ask for it."""
        self._ruled = ruled
        self._stop = config.stop
        self._lines = len(config.acrostic) if config.acrostic else None

    def take(self, new_text: str) -> str:
        """Add new text, a single character under rules; return what can be shown by now."""
        if self._ruled:
            self.place = self.place.after(new_text)
            self.ended = self.place.line == self._lines
        if self._stop is None:
            return new_text
        text = self.held + new_text
        before, stop, _ = text.partition(self._stop)
        if stop:
            self.ended = True
            return before
        self.held = "" if self.ended else self._start_of_stop(text)
        return text[: len(text) - len(self.held)]

    def _start_of_stop(self, text: str) -> str:
        """Return the longest end of a text that the stop text begins with."""
        stop = self._stop or ""
        for length in range(min(len(text), len(stop) - 1), 0, -1):
            if text.endswith(stop[:length]):
                return stop[:length]
        return ""
