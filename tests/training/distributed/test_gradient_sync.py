"""What two processes exchange in a step: one of them is real, the other one adds its numbers."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import Parameter

from charrnn.training.clock import Clock
from charrnn.training.distributed.gradient_sync import GradientSync
from charrnn.training.distributed.group import ALONE, Group
from charrnn.training.distributed.ranks import Ranks


class WithAnother(Group):
    """Rank zero of two; the other process has the gradient 4, the loss 3, and was asked to stop."""

    def __init__(self, other_stops: bool) -> None:
        super().__init__(Ranks(rank=0, size=2))
        self.other_stops = other_stops

    def all_reduce(self, tensors: Sequence[Tensor]) -> None:
        gradient, shared = tensors
        gradient += 4
        shared += torch.tensor([3.0, float(self.other_stops), 0.0])


def parameter() -> Parameter:
    weight = Parameter(torch.zeros(2))
    weight.grad = torch.tensor([2.0, 2.0])
    return weight


def test_gradients_and_loss_are_the_mean_over_processes() -> None:
    weight = parameter()
    sync = GradientSync(WithAnother(other_stops=False), [weight], Clock(100.0))
    assert sync(torch.tensor(1.0), stop=False).item() == 2
    assert weight.grad is not None
    assert weight.grad.tolist() == [3, 3]
    assert not sync.stop_requested
    assert 100 < sync.seconds < 101


def test_a_stop_request_of_any_process_is_known_to_all() -> None:
    sync = GradientSync(WithAnother(other_stops=True), [parameter()], Clock(0.0))
    sync(torch.tensor(1.0), stop=False)
    assert sync.stop_requested


def test_a_single_process_changes_nothing() -> None:
    weight, loss = parameter(), torch.tensor(1.0)
    assert GradientSync(ALONE, [weight], Clock(0.0))(loss, stop=True) is loss
    assert weight.grad is not None
    assert weight.grad.tolist() == [2, 2]
