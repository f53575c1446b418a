"""The texts that a request generates, and the new text that waits to be sent.

All methods are called in the thread of the event loop, unless they say otherwise.
"""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from charrnn.sampling.batched_text import BatchedText, NewText

MAX_UNSENT = 4_096
"""Characters that wait here while 64 KB of the answer, the limit of asyncio, wait to be sent."""
_SCORED_CHARACTER = 50  # characters that a score needs when it is sent, at least


@dataclass(eq=False)
class TextJob:
    """One text of a request."""

    generation: "Generation"
    index: int
    text: BatchedText | None = None
    """None for a text that the 8-bit engine generates alone."""
    may_run: threading.Event = field(default_factory=threading.Event)
    """Cleared while the text is paused; the 8-bit engine waits for it."""
    is_paused: bool = False
    """Whether the text waits until its reader has read more."""
    is_cancelled: bool = False
    """Read by the thread that generates the text."""
    has_finished: bool = False
    num_characters: int = 0
    """Characters since the text got its row."""
    has_left: bool = True
    """Whether the text is with no worker. While it is paused, its worker may still have it."""


class Generation:
    """The texts of a request, in one queue of new text for its reader.

    With `limits_unsent`, the texts pause while more than `MAX_UNSENT` characters are unread.
    """

    def __init__(self, num_texts: int, *, limits_unsent: bool) -> None:
        self.jobs = [TextJob(self, index) for index in range(num_texts)]
        self.limits_unsent = limits_unsent
        self.num_unsent = 0
        self._new: list[tuple[int, NewText]] = []
        self._has_new = asyncio.Event()

    @property
    def is_slow(self) -> bool:
        """Whether the texts must pause until the reader has read more."""
        return self.limits_unsent and self.num_unsent > MAX_UNSENT

    @property
    def has_finished(self) -> bool:
        """Whether all texts have ended."""
        return all(job.has_finished for job in self.jobs)

    def put(self, job: TextJob, new: NewText) -> None:
        """Add new text."""
        self._new.append((job.index, new))
        self.num_unsent += len(new.text) + _SCORED_CHARACTER * len(new.scores)
        job.has_finished |= new.finish_reason is not None
        self._has_new.set()

    async def get(self) -> Sequence[tuple[int, NewText]]:
        """Wait for new text of any of the texts; return it, joined for each text, with its number.

        The texts are in the order of their first new characters.
        """
        await self._has_new.wait()
        self._has_new.clear()
        joined: dict[int, NewText] = {}
        for index, new in self._new:
            joined[index] = joined[index].join(new) if index in joined else new
        self._new, self.num_unsent = [], 0
        return [*joined.items()]
