"""Batches of character codes: parallel streams, read in order.

Shape suffixes: T steps in time, B parallel streams.
"""

import numpy as np
from numpy.typing import NDArray

from charrnn.data import encoded_cache
from charrnn.data.vocabulary import Codes
from charrnn.errors import CorpusError
from charrnn.numerics.randomness import epoch_offset

_FORGET = 1 << 26  # characters of a mapped text that are read before its pages are let go


class Batches:
    """The training part cut into parallel streams, read in order: batch k is a function of k.

    Each epoch starts at a fresh offset, a function of the seed and the epoch, so that less than one
    batch x sequence of the text is left out, different each time.
    """

    def __init__(self, codes: Codes, batch_size: int, seq_length: int, seed: int) -> None:
        self.steps_per_epoch = (len(codes) - 1) // (batch_size * seq_length)
        if self.steps_per_epoch < 1:
            raise CorpusError(
                f"the training part has {len(codes):,} characters, and one batch of {batch_size} "
                f"streams x {seq_length} characters needs {batch_size * seq_length + 1:,}: use a "
                "longer text, or a smaller --batch-size or --seq-length"
            )
        self.streams = batch_size
        self.rows = seq_length + 1
        self._codes = codes
        self._seq_length = seq_length
        self._seed = seed
        self._forget_every = max(1, _FORGET // (batch_size * seq_length))

    def starts_epoch(self, step: int) -> bool:
        """Whether the streams begin anew at `step`, so that their state is blank."""
        return step % self.steps_per_epoch == 0

    def read_window(self, step: int, streams: slice = slice(None)) -> NDArray[np.int64]:
        """Return the characters of `step` (from 0) for some streams, (T + 1, B).

        All rows but the last are read, all but the first foretold.
        """
        if step % self._forget_every == 0:
            encoded_cache.release_pages(self._codes)
        window_TB = self._codes[self.first_position(step) + self.offsets(streams)]
        codes_TB: NDArray[np.int64] = window_TB.astype(np.int64)
        return codes_TB

    def first_position(self, step: int) -> int:
        """Return where in the training part the characters of `step` begin, in its first stream."""
        epoch, row = divmod(step, self.steps_per_epoch)
        spare = len(self._codes) - 1 - self.streams * self._stream_length
        return epoch_offset(self._seed, epoch, spare) + row * self._seq_length

    def offsets(self, streams: slice = slice(None)) -> NDArray[np.int64]:
        """Return how far behind `first` the characters of a step are, (T + 1, B)."""
        starts_B: NDArray[np.int64] = np.arange(self.streams)[streams] * self._stream_length
        offsets_TB: NDArray[np.int64] = starts_B + np.arange(self.rows)[:, None]
        return offsets_TB

    @property
    def _stream_length(self) -> int:
        return self.steps_per_epoch * self._seq_length
