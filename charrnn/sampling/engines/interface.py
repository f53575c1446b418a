"""The interface of sampling engines: logits of the next character, given the characters before."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from charrnn.config.sampling import SampleConfig
from charrnn.data.vocabulary import Codes, Vocabulary
from charrnn.sampling.filters import Filters


@runtime_checkable
class SamplingEngine(Protocol):
    """Reads characters and returns logits. A state is opaque to the caller and never modified.

    Shape suffixes: T characters of a prompt, B samples, V characters of the vocabulary.
    """

    vocabulary: Vocabulary
    line_start: str
    separator_code: int | None = None
    """The code of the separator, if the model reads and generates documents."""

    @property
    def separator(self) -> str | None:
        """The separator of documents; None for a model that reads a text as one stream."""
        code = self.separator_code
        return None if code is None else self.vocabulary.characters[code]

    def read(self, codes_T: Codes) -> tuple[NDArray[np.float32], Any]:
        """Read a prompt from the initial state; return the logits (1, V) and the state after it.

        A model of documents reads the separator first: the prompt is the start of a document.
        """

    def select_samples(self, state: Any, samples_B: NDArray[np.int64]) -> Any:
        """Return the state of the samples with these numbers, which may repeat, in this order."""

    def step(self, state: Any, codes_B: NDArray[np.int64]) -> tuple[NDArray[np.float32], Any]:
        """Read one character for each sample; return the logits (B, V) and the state after it."""


class Rows(Protocol):
    """The rows of a running batch: texts that join and leave it between two characters.

    The results of a row do not depend on the other rows.

    Shape suffixes: B rows, V characters of the vocabulary.
    """

    max_rows: int

    def append(self, states: Sequence[Any]) -> None:
        """Add rows with these states, each of one text."""

    def keep(self, rows_B: NDArray[np.int64]) -> None:
        """Keep only the rows with these numbers, in this order."""

    def state(self, row: int) -> Any:
        """Return a copy of the state of a row."""

    def advance(self, codes_B: NDArray[np.int64]) -> NDArray[np.float32]:
        """Read one character for each row; return the logits (B, V)."""

    def draw(
        self, logits_BV: NDArray[np.float32], filters: Filters, uniforms_B: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """Sample one code for each row of the logits."""


@runtime_checkable
class RowSamplingEngine(SamplingEngine, Protocol):
    """An engine whose texts can be the rows of a running batch."""

    max_prompt_in_rows: int
    """The longest prompt, in characters, that rows read as `read` does."""

    def initial_state(self) -> Any:
        """Return the state of one text before its first character."""

    def make_rows(self) -> Rows:
        """Return rows without a text."""


def add_separator(codes_T: Codes, separator_code: int | None) -> Codes:
    """Return the codes that a model reads for a prompt: after the separator, if it has one."""
    if separator_code is None:
        return codes_T
    return np.concatenate([np.array([separator_code], codes_T.dtype), codes_T])


@runtime_checkable
class BlockSamplingEngine(SamplingEngine, Protocol):
    """An engine that can also sample many characters in one call.

    Shape suffixes: K characters of a block.
    """

    needs_full_blocks: bool = True
    """Whether the last block must be as long as the others, even if its end is not used."""

    def prefers_blocks(self, config: SampleConfig) -> bool:
        """Whether blocks are faster than single characters with this config."""
        return True

    def sample_block(
        self, logits_BV: Any, state: Any, uniforms_KB: NDArray[np.float64], filters: Filters
    ) -> tuple[Callable[[], NDArray[np.integer[Any]]], Any, Any]:
        """Sample K characters of each sample from the logits, with these uniform numbers.

        Returns a function that waits for the codes (K, B), and the logits and the state after the
        last character, to pass to the next call. The call may return before the characters are
        sampled. `logits_BV` is an array, or the logits that the last call returned.
        """
