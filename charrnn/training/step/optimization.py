"""The optimizer and the averaged weights."""

import torch
from torch import Tensor

from charrnn.config.training import ResolvedTrainConfig
from charrnn.model.network import CharRNN


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
