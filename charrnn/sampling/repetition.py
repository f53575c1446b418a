"""Repetition in a text: runs of characters that it already contains, and loops at its end."""

from collections.abc import Mapping

_MAX_PERIOD = 500  # characters of the longest passage whose repetition is found
_MIN_REPETITIONS = 3
_MIN_LOOP = 100  # characters of the shortest loop; a ruled line of 80 characters is none
_PROBE = _MIN_LOOP * (_MIN_REPETITIONS - 1) // _MIN_REPETITIONS  # occurs again a period earlier


class RunHistory:
    """All runs of `length` characters of a text that grows, to find those that would repeat.

    Runs are compared character by character. A text uses about 200 bytes of memory per character
    with runs of 20 characters.
    """

    def __init__(self, length: int, text: str) -> None:
        self._num_preceding = length - 1
        self._before: Mapping[str, str] = {}
        self._own: dict[str, str] = {}
        self._last = self.repeating = ""
        """The characters that would complete a run that the text already contains."""
        for character in text:
            self.add(character)

    def copy(self) -> "RunHistory":
        """Return a history of the same text, which can grow in another way.

        The copy shares the runs of the text, so it takes no time and memory. Do not add to the
        original any more.
        """
        copied = RunHistory(self._num_preceding + 1, "")
        copied._before, copied._last = self._own, self._last
        copied.repeating = self.repeating
        return copied

    def add(self, character: str) -> str:
        """Add the next character of the text; return `repeating` after it."""
        last = self._last
        if len(last) == self._num_preceding:
            known = self._own.get(last, "")
            if character not in known:
                self._own[last] = known + character
            last = last[1:]
        self._last = last = last + character if self._num_preceding else ""
        self.repeating = (
            self._before.get(last, "") + self._own.get(last, "")
            if len(last) == self._num_preceding
            else ""
        )
        return self.repeating


def repeats_run(prompt: str, text: str, length: int) -> bool:
    """Return whether a text has a run of `length` characters that it or the prompt has before."""
    runs = ((text[end - length : end], end) for end in range(length, len(text) + 1))
    return any(run in prompt or run in text[: end - 1] for run, end in runs)


def find_loop(text: str) -> int | None:
    """Return where the loop at the end of a text starts, None if it does not end in a loop.

    A loop is a passage of at most 500 characters that is repeated at least three times without a
    difference, and at least 100 characters long altogether.
    """
    recent = text[-_MAX_PERIOD * _MIN_REPETITIONS :]
    end, place = recent[-_PROBE:], len(recent) - _PROBE
    while (place := recent.rfind(end, 0, max(0, place + _PROBE - 1))) >= 0:
        period = len(recent) - _PROBE - place
        length = max(_MIN_REPETITIONS * period, _MIN_LOOP)
        if length > len(recent):
            return None
        if recent[-length:-period] == recent[len(recent) - length + period :]:
            return _find_start(text, period)
    return None


def _find_start(text: str, period: int) -> int:
    """Return the first position from which a text repeats itself after `period` characters."""
    start = len(text) - period
    while start and text[start - 1] == text[start - 1 + period]:
        start -= 1
    return start
