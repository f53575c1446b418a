"""Random numbers that are pure functions of a seed and a key.

Nothing here keeps a position, so a run that was interrupted draws the same numbers as one that was
not, and a sample draws the same numbers whatever else is written beside it.
"""

import numpy as np
from numpy.typing import NDArray

_EPOCH_OFFSET, _DROPOUT, _PREVIEW = range(3)  # one stream of numbers per purpose


def epoch_offset(seed: int, epoch: int, most: int) -> int:
    """Return where the streams of `epoch` begin: a whole number from 0 to `most` characters."""
    return int(_generator(seed, _EPOCH_OFFSET, epoch).integers(0, most, endpoint=True))


def keep_masks(
    seed: int, step: int, shape_LBH: tuple[int, int, int], dropout: float
) -> NDArray[np.float32]:
    """Return locked dropout masks: 0 with probability `dropout`, else `1 / (1 - dropout)`."""
    draws_LBH = _generator(seed, _DROPOUT, step).random(shape_LBH, dtype=np.float32)
    return (draws_LBH >= dropout).astype(np.float32) / np.float32(1.0 - dropout)


def preview_seed(seed: int, step: int) -> int:
    """Return the sampling seed of the text shown at the evaluation after `step`."""
    return int(_generator(seed, _PREVIEW, step).integers(0, 2**32))


def sample_uniforms(seed: int, position: int, num_samples: int) -> NDArray[np.float64]:
    """Return one number in [0, 1) for each of the samples 0 to `num_samples - 1`.

    The number of sample i is the i-th output of the counter-based generator Philox (Salmon et al.,
    2011) at the counter that belongs to `position`: it depends on seed, i and position only.
    """
    philox = np.random.Philox(key=seed, counter=[0, position, 0, 0])
    raw: NDArray[np.uint64] = philox.random_raw(num_samples)
    return (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _generator(seed: int, *key: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, *key])))
