"""Batches of whole documents, each of which starts from the initial state.

A group is a batch of documents of similar length. It is read in one window, or in several if the
documents are longer than `seq_length`; the state is carried from one window to the next. Shorter
documents of a group are padded. The order of the groups is random, and differs between epochs.

Shape suffixes: T steps, B streams, D documents, G groups.
"""

import math

import numpy as np
from numpy.typing import NDArray

from charrnn.data import encoded_cache
from charrnn.data.document_index import DocumentIndex, Positions
from charrnn.data.vocabulary import Codes
from charrnn.errors import CorpusError
from charrnn.numerics.randomness import document_order

PADDING = -1
"""The code of positions without a character: they are not read, and are no targets."""
NO_DOCUMENT = -1
"""In place of the number of a document: the stream has no document."""

_RELEASE_INTERVAL = 10_000  # steps after which the pages of a mapped text are released
_MAX_MIXED = 8  # groups whose documents are mixed
_MAX_PADDING = 1.05  # times the number of characters that groups in the order of length have


class DocumentBatches:
    """The batches of the documents of a text; the batch of step k is a function of the seed and k.

    In each epoch, documents of similar length are distributed at random among their groups.
    """

    def __init__(
        self,
        codes: Codes,
        index: DocumentIndex,
        separator: int,
        batch_size: int,
        seq_length: int,
        seed: int,
    ) -> None:
        if not len(index.starts_D):
            raise CorpusError(
                "the training part has no document",
                "give a text with more documents",
                "read the text as one stream with --no-documents",
            )
        self.num_streams = batch_size
        self._codes, self._index, self._separator, self._seed = codes, index, separator, seed
        self._by_length_D = np.argsort(-index.num_targets, kind="stable")
        targets_D = index.num_targets[self._by_length_D]
        self._mixed_D, lengths_G = _plan_groups(targets_D, batch_size, seq_length)
        self._windows_G = -(-lengths_G // seq_length)
        self._window_lengths_G = -(-lengths_G // self._windows_G)
        self.steps_per_epoch = int(self._windows_G.sum())
        self._epoch: tuple[int, Positions, Positions, Positions] | None = None

    def starts_from_initial_state(self, step: int) -> bool:
        """Whether a group starts at `step`, so that all streams start from the initial state."""
        return self._locate(step)[1] == 0

    def count_targets(self, step: int) -> int:
        """Return the number of characters that `step` predicts in all streams."""
        group, window, documents_B = self._locate(step)
        length = int(self._window_lengths_G[group])
        left_B = self._index.num_targets[documents_B] - window * length
        return int(left_B.clip(0, length).sum())

    def read_window(self, step: int, streams: slice = slice(None)) -> NDArray[np.int64]:
        """Return the codes of `step` (from 0) for these streams, of shape (T + 1, B).

        All rows except the last are the inputs, all rows except the first are the targets. The
        first input of a document is the separator, as is its last target. After it, there is
        `PADDING`.
        """
        if step % _RELEASE_INTERVAL == 0:
            encoded_cache.release_pages(self._codes)
        group, window, documents_B = self._locate(step)
        length = int(self._window_lengths_G[group])
        all_B = np.full(self.num_streams, NO_DOCUMENT)
        all_B[: len(documents_B)] = documents_B
        rows = range(window * length, (window + 1) * length + 1)
        return read_documents(self._codes, self._index, self._separator, all_B[streams], rows)

    def _locate(self, step: int) -> tuple[int, int, Positions]:
        """Return the group of a step, the number of its window, and the documents of the group."""
        epoch, position = divmod(step, self.steps_per_epoch)
        documents_D, groups_G, ends_G = self._order(epoch)
        place = int(np.searchsorted(ends_G, position, "right"))
        group = int(groups_G[place])
        window = position - int(ends_G[place]) + int(self._windows_G[group])
        first = group * self.num_streams
        return group, window, documents_D[first : first + self.num_streams]

    def _order(self, epoch: int) -> tuple[Positions, Positions, Positions]:
        """Return the documents of all groups, the order of the groups, and where each ends."""
        if self._epoch is None or self._epoch[0] != epoch:
            keys_D, groups_G = document_order(
                self._seed, epoch, len(self._by_length_D), len(self._windows_G)
            )
            documents_D = self._by_length_D[np.lexsort((keys_D, self._mixed_D))]
            self._epoch = epoch, documents_D, groups_G, np.cumsum(self._windows_G[groups_G])
        return self._epoch[1:]


def read_documents(
    codes: Codes, index: DocumentIndex, separator: int, documents_B: Positions, rows: range
) -> NDArray[np.int64]:
    """Return rows of documents, each in one stream, of shape (T, B).

    Row 0 is the separator before a document, row 1 its first character. After the separator at its
    end, there is `PADDING`, as in all rows of the stream of `NO_DOCUMENT`.
    """
    is_document_B = documents_B != NO_DOCUMENT
    starts_B = np.where(is_document_B, index.starts_D[documents_B], 0)
    ends_B = np.where(is_document_B, index.ends_D[documents_B], -2)  # no row is there
    rows_T1 = np.asarray(rows)[:, None]
    positions_TB = starts_B + rows_T1 - 1
    is_text_TB = (rows_T1 > 0) & (positions_TB < ends_B)
    is_separator_TB = ((rows_T1 == 0) & is_document_B) | (positions_TB == ends_B)
    codes_TB: NDArray[np.int64] = codes[np.where(is_text_TB, positions_TB, 0)].astype(np.int64)
    return np.where(is_text_TB, codes_TB, np.where(is_separator_TB, separator, PADDING))


def _plan_groups(
    targets_D: Positions, batch_size: int, seq_length: int
) -> tuple[Positions, Positions]:
    """Return which documents are mixed, and the length of each group, both in order of length.

    Documents with the same number are mixed. `targets_D` falls. If a document is longer than a
    window, only documents of the same length are mixed, so that every window has a target.
    """
    num_groups = math.ceil(len(targets_D) / batch_size)
    group_D = np.arange(len(targets_D)) // batch_size
    lengths_G = targets_D[::batch_size]
    is_short_G = lengths_G <= seq_length
    first_short = int(np.argmax(is_short_G)) if is_short_G.any() else num_groups
    mixed_G = np.arange(num_groups)
    count = _MAX_MIXED
    while count > 1:
        mixed_G[first_short:] = first_short + (np.arange(num_groups - first_short) // count) * count
        if lengths_G[mixed_G].sum() <= _MAX_PADDING * lengths_G.sum():
            break
        count //= 2
    else:
        mixed_G = np.arange(num_groups)
    is_long_D = targets_D > seq_length
    # Numbers below zero are unique to a length, and come first.
    mixed_D = np.where(is_long_D, -targets_D - 1, mixed_G[group_D])
    return mixed_D, lengths_G[mixed_G]
