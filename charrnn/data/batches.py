"""Batches of character codes: the text is split into parallel streams, which are read in order.

A text of many short documents has other batches: see `charrnn.data.document_batches`.

Shape suffixes: T steps, B streams.
"""

import numpy as np
from numpy.typing import NDArray

from charrnn.config.counts import format_count
from charrnn.data import encoded_cache
from charrnn.data.vocabulary import Codes
from charrnn.errors import CorpusError
from charrnn.numerics.randomness import epoch_offset

_RELEASE_INTERVAL = 1 << 26  # characters of a mapped text to read before its pages are released


def count_steps_per_epoch(characters: int, characters_per_step: int) -> int:
    """Return the number of batches in one epoch of a training part with so many characters."""
    return (characters - 1) // characters_per_step


class Batches:
    """The training part of a text, split into parallel streams that are read in order.

    The batch of step k is a function of the seed and k. Each epoch has a new random offset, a
    function of the seed and the epoch. So less than one batch x sequence of the text is left out,
    and a different part in each epoch.
    """

    def __init__(self, codes: Codes, batch_size: int, seq_length: int, seed: int) -> None:
        self.steps_per_epoch = count_steps_per_epoch(len(codes), batch_size * seq_length)
        if self.steps_per_epoch < 1:
            raise CorpusError(
                f"the training part has {format_count(len(codes), 'character')}, but one batch of "
                f"{format_count(batch_size, 'stream')} x {format_count(seq_length, 'character')} "
                f"needs {batch_size * seq_length + 1:,}",
                "use a longer text",
                "give a smaller --batch-size",
                "give a smaller --seq-length",
            )
        self.num_streams = batch_size
        self.window_length = seq_length + 1
        self._codes = codes
        self._seq_length = seq_length
        self._seed = seed
        self._release_every = max(1, _RELEASE_INTERVAL // (batch_size * seq_length))

    def count_targets(self, step: int) -> int:
        """Return the number of characters that `step` predicts in all streams."""
        return self.num_streams * self._seq_length

    def read_window(self, step: int, streams: slice = slice(None)) -> NDArray[np.int64]:
        """Return the codes of `step` (from 0) for these streams, of shape (T + 1, B).

        All rows except the last are the inputs, all rows except the first are the targets.
        """
        if step % self._release_every == 0:
            encoded_cache.release_pages(self._codes)
        window_TB = self._codes[self.first_position(step) + self.offsets(streams)]
        codes_TB: NDArray[np.int64] = window_TB.astype(np.int64)
        return codes_TB

    def first_position(self, step: int) -> int:
        """Return the position in the training part where `step` starts in the first stream."""
        epoch, row = divmod(step, self.steps_per_epoch)
        max_offset = len(self._codes) - 1 - self.num_streams * self._stream_length
        return epoch_offset(self._seed, epoch, max_offset) + row * self._seq_length

    def offsets(self, streams: slice = slice(None)) -> NDArray[np.int64]:
        """Return the positions of the codes of a step, relative to `first_position`, (T + 1, B)."""
        starts_B: NDArray[np.int64] = np.arange(self.num_streams)[streams] * self._stream_length
        offsets_TB: NDArray[np.int64] = starts_B + np.arange(self.window_length)[:, None]
        return offsets_TB

    @property
    def _stream_length(self) -> int:
        return self.steps_per_epoch * self._seq_length
