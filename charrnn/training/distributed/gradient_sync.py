"""What the processes of a run exchange in every step: gradients, loss, stop requests, the time."""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import Parameter

from charrnn.training.clock import Clock
from charrnn.training.distributed.group import Group


class GradientSync:
    """Average gradients and loss over the processes; share a stop request and the time.

    With a single process it changes nothing.
    """

    def __init__(self, group: Group, parameters: Iterable[Parameter], clock: Clock) -> None:
        self._group, self._parameters, self._clock = group, list(parameters), clock
        self.stop_requested = False
        """Whether any process was asked to stop before the last step; the same in all processes."""
        self.seconds = clock.seconds()
        """The training time when the gradients of the last step were averaged; the same in all."""

    def __call__(self, loss: Tensor, stop: bool) -> Tensor:
        """Average gradients and loss in place of those of this process; return the loss.

        Every process has the same number of streams, so the mean over all streams is the mean of
        the processes' means.
        """
        if self._group.alone:
            return loss
        ranks = self._group.ranks
        seconds = self._clock.seconds() if ranks.leads else 0.0
        shared = loss.new_tensor([loss.item(), stop, seconds])
        gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        self._group.all_reduce([*gradients, shared])
        torch._foreach_div_(gradients, ranks.size)
        total, stops, self.seconds = shared.tolist()
        self.stop_requested = stops > 0
        return loss.new_tensor(total / ranks.size, dtype=torch.float64)
