"""The optimizer and the averaged weights."""

import torch
from torch import Tensor

from charrnn.config.training import ResolvedTrainConfig
from charrnn.model.network import CharRNN


def make_optimizer(model: CharRNN, config: ResolvedTrainConfig) -> torch.optim.AdamW:
    """Return AdamW (Loshchilov and Hutter, 2019) with zero moments and no decay of biases."""
    matrices = [parameter for parameter in model.parameters() if parameter.dim() > 1]
    biases = [parameter for parameter in model.parameters() if parameter.dim() == 1]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": biases, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.99), fused=True)
    for parameter in (*matrices, *biases):
        optimizer.state[parameter] = {
            "step": torch.zeros((), device=parameter.device),
            "exp_avg": torch.zeros_like(parameter, requires_grad=False),
            "exp_avg_sq": torch.zeros_like(parameter, requires_grad=False),
        }
    return optimizer


@torch.no_grad()
def update_average(average: CharRNN, model: CharRNN, ema_weight: float | Tensor) -> None:
    """Move the averaged weights towards those of the model, by the share `ema_weight`."""
    for averaged, current in zip(average.parameters(), model.parameters(), strict=True):
        averaged.lerp_(current, ema_weight)
