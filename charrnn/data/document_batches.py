"""Batches of whole documents, each of which starts from the initial state.

A group is a batch of documents of similar length. It is read in one window, or in several if the
documents are longer than `seq_length`; the state is carried from one window to the next. Shorter
documents of a group are padded. The long documents form one group, in which each stream reads
several of them, one after another (`document_packing`). The order of the groups is random, and
differs between epochs.

Shape suffixes: T steps, B streams, D documents, G groups.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.data import encoded_cache
from charrnn.data.document_index import DocumentIndex, Positions
from charrnn.data.document_packing import MIN_WINDOWS, NO_DOCUMENT, PackedDocuments, pack_documents
from charrnn.data.vocabulary import Codes
from charrnn.errors import CorpusError
from charrnn.numerics.randomness import document_order

PADDING = -1
"""The code of positions without a character: they are not read, and are no targets."""

_RELEASE_INTERVAL = 10_000  # steps after which the pages of a mapped text are released
_MAX_MIXED = 8  # groups whose documents are mixed
_MAX_PADDING = 1.05  # times the number of characters that groups in the order of length have


class DocumentBatches:
    """The batches of the documents of a text; the batch of step k is a function of the seed and k.

    In each epoch, documents of similar length are distributed at random among their groups. Long
    ones keep their stream, in a random order. A stream starts a document where its first input is
    the separator.
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
        windows_D = -(-targets_D // seq_length)
        self._num_long = int(np.count_nonzero(windows_D >= MIN_WINDOWS))
        self._packed = pack_documents(windows_D[: self._num_long], batch_size)
        self._mixed_D, lengths_G = _plan_groups(targets_D[self._num_long :], batch_size, seq_length)
        windows_G = -(-lengths_G // seq_length)
        self._windows_G = np.append(windows_G, self._packed.num_windows)  # the last may be empty
        self._window_lengths_G = np.append(-(-lengths_G // windows_G), seq_length)
        self.steps_per_epoch = int(self._windows_G.sum())
        self._epoch: _Epoch | None = None

    def count_targets(self, step: int) -> int:
        """Return the number of characters that `step` predicts in all streams."""
        length, documents_B, rows_B = self._locate(step)
        left_B = np.where(
            documents_B == NO_DOCUMENT, 0, self._index.num_targets[documents_B] - rows_B
        )
        return int(left_B.clip(0, length).sum())

    def read_window(self, step: int, streams: slice = slice(None)) -> NDArray[np.int64]:
        """Return the codes of `step` (from 0) for these streams, of shape (T + 1, B).

        All rows except the last are the inputs, all rows except the first are the targets. The
        first input of a document is the separator, as is its last target. After it, there is
        `PADDING`.
        """
        if step % _RELEASE_INTERVAL == 0:
            encoded_cache.release_pages(self._codes)
        length, documents_B, rows_B = self._locate(step)
        rows_TB = rows_B[streams] + np.arange(length + 1)[:, None]
        return read_documents(
            self._codes, self._index, self._separator, documents_B[streams], rows_TB
        )

    def _locate(self, step: int) -> tuple[int, Positions, Positions]:
        """Return the length of the window of a step, its documents, and the first row of each."""
        number, position = divmod(step, self.steps_per_epoch)
        epoch = self._shuffle(number)
        place = int(np.searchsorted(epoch.ends_G, position, "right"))
        group = int(epoch.groups_G[place])
        window = position - int(epoch.ends_G[place]) + int(self._windows_G[group])
        length = int(self._window_lengths_G[group])
        documents_B = np.full(self.num_streams, NO_DOCUMENT)
        if group == len(self._windows_G) - 1:
            numbers_B, windows_B = epoch.packed.locate(window)
            is_document_B = numbers_B != NO_DOCUMENT
            documents_B[is_document_B] = self._by_length_D[numbers_B[is_document_B]]
            return length, documents_B, windows_B * length
        first = group * self.num_streams
        of_group = epoch.documents_D[first : first + self.num_streams]
        documents_B[: len(of_group)] = of_group
        return length, documents_B, np.full(self.num_streams, window * length)

    def _shuffle(self, number: int) -> "_Epoch":
        """Return the documents of an epoch in their order."""
        if self._epoch is None or self._epoch.number != number:
            keys_D, groups_G = document_order(
                self._seed, number, len(self._by_length_D), len(self._windows_G)
            )
            short_D = self._by_length_D[self._num_long :]
            self._epoch = _Epoch(
                number,
                self._packed.shuffle(keys_D),
                short_D[np.lexsort((keys_D[self._num_long :], self._mixed_D))],
                groups_G,
                np.cumsum(self._windows_G[groups_G]),
            )
        return self._epoch


class _Epoch(NamedTuple):
    """The order of an epoch: long documents, short documents by group, all groups, their ends."""

    number: int
    packed: PackedDocuments
    documents_D: Positions
    groups_G: Positions
    ends_G: Positions


def read_documents(
    codes: Codes, index: DocumentIndex, separator: int, documents_B: Positions, rows_TB: Positions
) -> NDArray[np.int64]:
    """Return rows of documents, each in one stream, of shape (T, B); or T rows of all: (T, 1).

    Row 0 is the separator before a document, row 1 its first character. After the separator at its
    end, there is `PADDING`, as in all rows of the stream of `NO_DOCUMENT`.
    """
    is_document_B = documents_B != NO_DOCUMENT
    starts_B = np.where(is_document_B, index.starts_D[documents_B], 0)
    ends_B = np.where(is_document_B, index.ends_D[documents_B], -2)  # no row is there
    positions_TB = starts_B + rows_TB - 1
    is_text_TB = (rows_TB > 0) & (positions_TB < ends_B)
    is_separator_TB = ((rows_TB == 0) & is_document_B) | (positions_TB == ends_B)
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
