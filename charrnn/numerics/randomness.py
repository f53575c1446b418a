"""Random numbers that are pure functions of a seed and a key.

No generator keeps a position. So an interrupted run draws the same numbers as an uninterrupted run,
and a sample draws the same numbers whatever other samples are drawn with it.
"""

import math
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Purpose(IntEnum):
    """The purposes of random numbers, each with its own stream. Add a new purpose at the end."""

    EPOCH_OFFSET = 0
    DROPOUT = 1
    PREVIEW = 2
    OUTPUT_DROPOUT = 3
    WEIGHT_DROP = 4
    INPUT_DROPOUT = 5
    STATE_DROP = 6
    DOCUMENT_ORDER = 7


def epoch_offset(seed: int, epoch: int, max_offset: int) -> int:
    """Return where the streams of `epoch` begin: an integer from 0 to `max_offset` characters."""
    return int(_generator(seed, Purpose.EPOCH_OFFSET, epoch).integers(0, max_offset, endpoint=True))


def document_order(
    seed: int, epoch: int, documents: int, groups: int
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return a random number for each document of `epoch`, and a random order of the groups."""
    generator = _generator(seed, Purpose.DOCUMENT_ORDER, epoch)
    keys = generator.integers(0, 2**64, documents, np.uint64, endpoint=False)
    return keys, generator.permutation(groups)


def mask_bytes(seed: int, purpose: Purpose, step: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return a random byte for each element of a dropout mask; see `charrnn.model.dropout`."""
    bits = np.random.Philox(key=mask_key(seed, purpose, step))
    words: NDArray[np.uint64] = bits.random_raw(-(-math.prod(shape) // 8))
    return words.astype("<u8", copy=False).view(np.uint8)[: math.prod(shape)].reshape(shape)


def mask_key(seed: int, purpose: Purpose, step: int) -> NDArray[np.uint64]:
    """Return the two words of the Philox key that `mask_bytes` uses."""
    words = np.random.SeedSequence([seed, purpose, step]).generate_state(2, np.uint64)
    key: NDArray[np.uint64] = words.astype(np.uint64, copy=False)
    return key


def preview_seed(seed: int, step: int) -> int:
    """Return the sampling seed of the preview at the evaluation after `step`."""
    return int(_generator(seed, Purpose.PREVIEW, step).integers(0, 2**32))


class SampleUniforms:
    """Uniform random numbers in [0, 1) for sampling, one per sample and position.

    The number of sample i at a position is the i-th output of the counter-based generator Philox
    (Salmon et al., 2011) with the position as counter. It depends on seed, i and position only.
    """

    def __init__(self, seed: int, num_samples: int) -> None:
        self._bits = np.random.Philox(key=seed, counter=0)
        self._generator = np.random.Generator(self._bits)
        self._start: Any = self._bits.state
        self._num_samples = num_samples

    def at(self, position: int) -> NDArray[np.float64]:
        """Return the number of each sample at `position`."""
        uniforms_B: NDArray[np.float64] = self.block(position, 1)[0]
        return uniforms_B

    def block(self, first: int, length: int) -> NDArray[np.float64]:
        """Return the numbers at `length` positions from `first` on: (length, samples)."""
        uniforms_KB = np.empty((length, self._num_samples))
        for position, uniforms_B in enumerate(uniforms_KB, first):
            self._start["state"]["counter"][1] = position
            self._bits.state = self._start
            self._generator.random(out=uniforms_B)  # the highest 53 bits of each output
        return uniforms_KB


def _generator(seed: int, *key: int) -> np.random.Generator:
    return np.random.Generator(_bits(seed, *key))


def _bits(seed: int, *key: int) -> np.random.Philox:
    return np.random.Philox(np.random.SeedSequence([seed, *key]))
