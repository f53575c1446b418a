"""The optimizer, the schedule of the learning rate, and the averaged weights."""

import math

import torch
from torch import Tensor

from charrnn.config.training import ResolvedTrainConfig, TrainConfig
from charrnn.model.network import CharRNN

_FINAL_SHARE = 0.01  # of the learning rate, left at the horizon


def learning_rate(step: int, horizon: int | None, config: TrainConfig) -> float:
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
    share = _FINAL_SHARE + (1 - _FINAL_SHARE) * 0.5 * (1 + math.cos(math.pi * progress))
    return config.learning_rate * share


def average_decay(step: int, decay: float) -> float:
    """Return the decay of the averaged weights after `step` (from 0), less while they are young."""
    return min(decay, (1 + step) / (10 + step))


def make_optimizer(model: CharRNN, config: ResolvedTrainConfig) -> torch.optim.AdamW:
    """Return AdamW (Loshchilov and Hutter, 2019), its moments zero; biases do not decay."""
    matrices = [each for each in model.parameters() if each.dim() > 1]
    biases = [each for each in model.parameters() if each.dim() == 1]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": biases, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.99), fused=True)
    for each in (*matrices, *biases):
        optimizer.state[each] = {
            "step": torch.zeros((), device=each.device),
            "exp_avg": torch.zeros_like(each, requires_grad=False),
            "exp_avg_sq": torch.zeros_like(each, requires_grad=False),
        }
    return optimizer


@torch.no_grad()
def update_average(average: CharRNN, model: CharRNN, weight: float | Tensor) -> None:
    """Interpolate the averaged weights towards the model's; `weight` is that of the model's."""
    for averaged, newest in zip(average.parameters(), model.parameters(), strict=True):
        averaged.lerp_(newest, weight)
