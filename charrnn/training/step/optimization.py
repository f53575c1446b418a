"""The optimizer and the averaged weights."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.optim.adamw import adamw

from charrnn.config.training import ResolvedTrainConfig
from charrnn.model.network import CharRNN

_BETAS = 0.9, 0.99
_EPSILON = 1e-8


class Moments(NamedTuple):
    """The number of updates of a parameter, and the running means of its gradient and square."""

    step: Tensor
    first: Tensor
    second: Tensor


class AdamW:
    """AdamW (Loshchilov and Hutter, 2019) for all parameters of a model; biases do not decay.

    It calls the function behind `torch.optim.AdamW`. The class imports `torch._dynamo` when it is
    created, which takes longer than all other imports of torch together.
    """

    def __init__(self, model: CharRNN, config: ResolvedTrainConfig) -> None:
        self._weight_decay = config.weight_decay
        self._parameters = dict(model.named_parameters())
        self.moments = {
            name: Moments(
                torch.zeros((), device=parameter.device),
                torch.zeros_like(parameter, requires_grad=False),
                torch.zeros_like(parameter, requires_grad=False),
            )
            for name, parameter in self._parameters.items()
        }

    def zero_grad(self) -> None:
        """Remove the gradients of all parameters."""
        for parameter in self._parameters.values():
            parameter.grad = None

    @torch.no_grad()
    def step(self, learning_rate: float | Tensor) -> None:
        """Update all parameters by their gradients."""
        for decays, weight_decay in ((True, self._weight_decay), (False, 0.0)):
            parameters: dict[str, Tensor] = {
                name: parameter
                for name, parameter in self._parameters.items()
                if (parameter.dim() > 1) == decays
            }
            gradients = [parameter.grad for parameter in parameters.values()]
            moments = [self.moments[name] for name in parameters]
            adamw(
                list(parameters.values()),
                [gradient for gradient in gradients if gradient is not None],
                [moment.first for moment in moments],
                [moment.second for moment in moments],
                [],
                [moment.step for moment in moments],
                fused=True,
                amsgrad=False,
                beta1=_BETAS[0],
                beta2=_BETAS[1],
                lr=learning_rate,
                weight_decay=weight_decay,
                eps=_EPSILON,
                maximize=False,
            )


@torch.no_grad()
def update_average(average: CharRNN, model: CharRNN, ema_weight: float | Tensor) -> None:
    """Move the averaged weights towards those of the model, by the share `ema_weight`."""
    for averaged, current in zip(average.parameters(), model.parameters(), strict=True):
        averaged.lerp_(current, ema_weight)
