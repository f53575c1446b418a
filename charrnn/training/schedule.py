"""The schedules of a run: the learning rate and the decay of the averaged weights, at each step."""

import math

from charrnn.config.training import ResolvedTrainConfig

_FINAL_FACTOR = 0.01  # of the learning rate at the horizon, relative to the highest


def learning_rate(step: int, horizon: int | None, config: ResolvedTrainConfig) -> float:
    """Return the learning rate of `step` (from 0): linear warm-up, then half a cosine to 1%.

    The cosine is that of Loshchilov and Hutter (2017) without restarts. While the horizon is not
    known (None), the rate stays at its highest.
    """
    warmup = min(config.warmup_steps, (horizon or config.warmup_steps * 10) // 10)
    if step < warmup:
        return config.learning_rate * (step + 1) / warmup
    if horizon is None:
        return config.learning_rate
    progress = min(1.0, (step - warmup) / max(1, horizon - warmup))
    factor = _FINAL_FACTOR + (1 - _FINAL_FACTOR) * 0.5 * (1 + math.cos(math.pi * progress))
    return config.learning_rate * factor


def average_decay(step: int, decay: float) -> float:
    """Return the decay of the averaged weights after `step` (from 0); it increases to `decay`."""
    return min(decay, (1 + step) / (10 + step))
