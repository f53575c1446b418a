"""The data that processes exchange in each step: gradients, loss, stop requests and the time."""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import Parameter

from charrnn.training.clock import Clock
from charrnn.training.distributed.group import Group


class GradientSync:
    """Average gradients and loss over the processes; exchange stop requests and the time.

    In a run with one process, it changes nothing.
    """

    def __init__(self, group: Group, parameters: Iterable[Parameter], clock: Clock) -> None:
        self._group, self._parameters, self._clock = group, list(parameters), clock
        self.stop_requested = False
        """Whether any process got a stop request before the last step; the same in all."""
        self.seconds = clock.seconds()
        """The training time of the last exchange; the same in all processes."""

    def __call__(self, loss: Tensor, stop: bool) -> Tensor:
        """Average the gradients over the processes, in place; return the average of the loss.

        `stop` says whether this process got a stop request. All processes have the same number of
        streams, so the mean over all streams is the mean over the processes.
        """
        if self._group.is_single:
            return loss
        ranks = self._group.ranks
        seconds = self._clock.seconds() if ranks.is_rank_zero else 0.0
        shared = loss.new_tensor([loss.item(), stop, seconds])
        gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        self._group.all_reduce([*gradients, shared])
        torch._foreach_div_(gradients, ranks.size)
        total, stops, self.seconds = shared.tolist()
        self.stop_requested = stops > 0
        return loss.new_tensor(total / ranks.size, dtype=torch.float64)
