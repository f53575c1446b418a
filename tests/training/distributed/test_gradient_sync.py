"""The exchange of two processes in a step. One is real; a class simulates the other one."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import Parameter

from charrnn.training.clock import Clock
from charrnn.training.distributed.gradient_sync import GradientSync
from charrnn.training.distributed.group import SINGLE_PROCESS, Group
from charrnn.training.distributed.ranks import Ranks


class TwoProcesses(Group):
    """Rank zero of two; the other process has the gradient 4 and the loss 3."""

    def __init__(self, other_stop: bool) -> None:
        super().__init__(Ranks(rank=0, size=2))
        self.other_stop = other_stop

    def all_reduce(self, tensors: Sequence[Tensor]) -> None:
        gradient, shared = tensors
        gradient += 4
        shared += torch.tensor([3.0, float(self.other_stop), 0.0])


def parameter() -> Parameter:
    weight = Parameter(torch.zeros(2))
    weight.grad = torch.tensor([2.0, 2.0])
    return weight


def test_gradients_and_loss_are_the_mean_over_processes() -> None:
    weight = parameter()
    sync = GradientSync(TwoProcesses(other_stop=False), [weight], Clock(100.0))
    assert sync(torch.tensor(1.0), stop=False).item() == 2
    assert weight.grad is not None
    assert weight.grad.tolist() == [3, 3]
    assert not sync.stop_requested
    assert 100 < sync.seconds < 101


def test_a_stop_request_reaches_all_processes() -> None:
    sync = GradientSync(TwoProcesses(other_stop=True), [parameter()], Clock(0.0))
    sync(torch.tensor(1.0), stop=False)
    assert sync.stop_requested


def test_a_single_process_changes_nothing() -> None:
    weight, loss = parameter(), torch.tensor(1.0)
    assert GradientSync(SINGLE_PROCESS, [weight], Clock(0.0))(loss, stop=True) is loss
    assert weight.grad is not None
    assert weight.grad.tolist() == [2, 2]
