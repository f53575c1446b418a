"""A running batch: texts with different settings join and leave between two characters.

A text does not depend on the other texts of the batch. So a seed gives the same text alone and in
any batch, and it is the text of `charrnn.sampling.loop.generate` with the same engine.

Shape suffixes: B rows, V characters of the vocabulary, K characters since the last collection.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.sampling.batched_text import UNIFORMS, BatchedText, NewText
from charrnn.sampling.engines.interface import RowSamplingEngine
from charrnn.sampling.filters import Filters

_MAX_UNCOLLECTED = 64  # characters of a text


class _Group(NamedTuple):
    """Rows with the same filters."""

    filters: Filters
    rows_B: NDArray[np.int64]


class RunningBatch:
    """Samples texts in rows, one character of each per step.

    Call `step` while there are texts. Call `collect` if `must_collect` is true after it, or earlier
    to get the new text.
    """

    def __init__(self, engine: RowSamplingEngine) -> None:
        self._rows, self._vocabulary = engine.make_rows(), engine.vocabulary
        self._separator_code = engine.separator_code
        self._texts: list[BatchedText] = []
        self._sampled_KB = np.zeros((_MAX_UNCOLLECTED, 0), np.int64)
        self._num_sampled = 0
        self.must_collect = False
        self._plan()

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self._texts)

    @property
    def num_free(self) -> int:
        """The number of texts that can join."""
        return self._rows.max_rows - len(self)

    def add(self, texts: Sequence[BatchedText]) -> None:
        """Let texts join, at most `num_free`; each has a character to sample."""
        self._store()
        self._rows.append([text.state for text in texts])
        self._texts += texts
        self._plan()

    def remove(self, texts: Sequence[BatchedText]) -> None:
        """Let texts leave. They can join again."""
        self._store()
        removed, kept = set(map(id, texts)), []
        for row, text in enumerate(self._texts):
            if id(text) not in removed:
                kept.append(row)
            elif text.has_work:
                text.state = self._rows.state(row)
        self._rows.keep(np.array(kept, np.int64))
        self._texts = [self._texts[row] for row in kept]
        self._plan()

    def step(self) -> None:
        """Read a character of each text, and sample the next one of those that have read all."""
        logits_BV = self._rows.advance(self._inputs_B)
        for row in [*self._reading]:
            if not self._texts[row].read_input():
                self._start_sampling(row)
        originals = {row: logits_BV[row].copy() for row in self._special}
        for row in self._special:
            if self._is_sampling_B[row]:
                self._texts[row].apply_rules(logits_BV[row])
        uniforms_B = self._uniforms_BK[self._all_B, self._positions_B % UNIFORMS]
        for filters, rows_B in self._groups:
            chosen_BV = logits_BV if len(self._groups) == 1 else logits_BV[rows_B]
            self._inputs_B[rows_B] = self._rows.draw(chosen_BV, filters, uniforms_B[rows_B])
        self._sampled_KB[self._num_sampled] = self._inputs_B
        self._num_sampled += 1
        self._positions_B += self._is_sampling_B
        for row in self._special:
            if self._is_sampling_B[row]:
                self._add_character(row, originals[row])
        for row in self._reading:
            self._inputs_B[row] = self._texts[row].next_input
        needs_uniforms_B = (self._positions_B % UNIFORMS == 0) & self._is_sampling_B
        for row in np.flatnonzero(needs_uniforms_B).tolist():
            self._uniforms_BK[row] = self._texts[row].draw_uniforms(self._positions_B[row])
        self.must_collect |= (
            self._num_sampled == _MAX_UNCOLLECTED
            or bool((self._positions_B >= self._lengths_B).any())
            or bool((self._inputs_B == self._separator_code).any())
        )

    def collect(self) -> list[tuple[BatchedText, NewText]]:
        """Return the new text of all texts; those that have ended leave."""
        self._store()
        new = [(text, text.take()) for text in self._texts]
        if ended := [text for text, taken in new if taken.finish_reason]:
            self.remove(ended)
        return [
            (text, taken)
            for text, taken in new
            if taken.text or taken.scores or taken.finish_reason
        ]

    def _plan(self) -> None:
        """Derive the arrays from the texts that are in the batch."""
        texts = self._texts
        self._all_B = np.arange(len(texts))
        self._inputs_B = np.array([text.next_input for text in texts], np.int64)
        self._positions_B = np.array([text.position for text in texts], np.int64)
        self._lengths_B = np.array([text.config.length for text in texts], np.int64)
        self._uniforms_BK = np.array([text.uniforms_K for text in texts]).reshape(-1, UNIFORMS)
        self._sampled_KB = np.zeros((_MAX_UNCOLLECTED, len(texts)), np.int64)
        self._first_sampled_B = np.zeros(len(texts), np.int64)
        self._reading = {row for row, text in enumerate(texts) if text.codes_to_read}
        self._is_sampling_B = np.array([not text.codes_to_read for text in texts], np.bool_)
        self._special = [row for row, text in enumerate(texts) if text.needs_each_logit]
        """Rows whose characters are added one at a time."""
        rows_by_filters: dict[Filters, list[int]] = {}
        for row, text in enumerate(texts):
            rows_by_filters.setdefault(text.filters, []).append(row)
        self._groups = [_Group(key, np.array(rows)) for key, rows in rows_by_filters.items()]

    def _start_sampling(self, row: int) -> None:
        self._reading.discard(row)
        self._is_sampling_B[row] = True
        self._first_sampled_B[row] = self._num_sampled
        self.must_collect = True  # the first character is sent at once

    def _add_character(self, row: int, logits_V: NDArray[np.float32]) -> None:
        """Add the sampled character of a row whose characters are added one at a time."""
        text = self._texts[row]
        text.add_score(logits_V, int(self._inputs_B[row]))
        text.add(self._vocabulary.decode(self._inputs_B[row : row + 1]))
        self.must_collect |= text.finish_reason is not None

    def _store(self) -> None:
        """Move the sampled characters and the positions to the texts."""
        special = set(self._special)
        decoded = self._vocabulary.decode_rows(self._sampled_KB[: self._num_sampled].T)
        for row, text in enumerate(self._texts):
            text.position, text.next_input = int(self._positions_B[row]), int(self._inputs_B[row])
            text.uniforms_K = self._uniforms_BK[row]
            if self._is_sampling_B[row] and row not in special:
                text.add(decoded[row][self._first_sampled_B[row] :])
        self._num_sampled, self.must_collect = 0, False
        self._first_sampled_B[:] = 0
