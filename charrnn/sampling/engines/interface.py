"""Engines that write: how likely is each next character, given those before it."""

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from charrnn.data.vocabulary import Codes, Vocabulary
from charrnn.sampling.filters import Filters


@runtime_checkable
class SamplingEngine(Protocol):
    """What the sampling loop drives. A state belongs to its engine and is never changed in place.

    Shape suffixes: T characters of a prompt, B samples, V characters of the vocabulary.
    """

    vocabulary: Vocabulary
    line_start: str

    def read(self, codes_T: Codes) -> tuple[NDArray[np.float32], Any]:
        """Read a prompt from a blank state; return the logits (1, V) after it and the state."""

    def pick(self, state: Any, samples_B: NDArray[np.int64]) -> Any:
        """Return the state of some of the samples, repeated or reordered as `samples_B` says."""

    def step(self, state: Any, codes_B: NDArray[np.int64]) -> tuple[NDArray[np.float32], Any]:
        """Read one character for each sample; return the logits (B, V) and the state after it."""


@runtime_checkable
class BlockSamplingEngine(SamplingEngine, Protocol):
    """A engine that also samples, many characters in one call.

    Shape suffixes: K characters of a block.
    """

    def sample_block(
        self, logits_BV: Any, state: Any, uniforms_KB: NDArray[np.float64], filters: Filters
    ) -> tuple[Callable[[], NDArray[np.integer[Any]]], Any, Any]:
        """Sample K characters of each sample, the first from the logits, with the given uniforms.

        May return before they are sampled: a function that waits for their codes (K, B), and the
        logits and the state after the last, for the next call. The logits are an array, or what
        the last call returned.
        """
