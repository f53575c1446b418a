"""What the processes of a run tell each other, by torch.distributed; one process has none to tell.

Every process goes through the same calls in the same order. What depends on a clock, a disk or a
signal is found out by one process and told to all, so that they never part.
"""

import contextlib
import datetime
import gc
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from charrnn.errors import CharrnnError, GroupError
from charrnn.training.distributed.ranks import Ranks

Result = TypeVar("Result")

_PATIENCE = datetime.timedelta(minutes=30)  # for a process that reads a text or evaluates


class Group:
    """The processes of one run."""

    def __init__(self, ranks: Ranks) -> None:
        self.ranks = ranks
        self.alone = ranks.size == 1

    @classmethod
    @contextlib.contextmanager
    def joined(cls) -> Iterator["Group"]:
        """Join the processes that torchrun started; part from them at the end."""
        group = cls(Ranks.of_environment())
        if group.alone or dist.is_initialized():
            yield group
            return
        if torch.cuda.is_available():
            torch.cuda.set_device(group.ranks.local_rank % torch.cuda.device_count())
        # Not every build of torch has these, and one process needs none.
        from torch.distributed.distributed_c10d import PrefixStore
        from torch.distributed.rendezvous import rendezvous

        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        with _translate_errors():
            # Started anew, torchrun's processes may meet in the store of those that ended, whose
            # addresses are there still: so each attempt has names of its own.
            store, rank, size = next(rendezvous("env://", timeout=_PATIENCE))
            store = PrefixStore(f"attempt-{group.ranks.restarts}", store)
            dist.init_process_group(
                backend, store=store, rank=rank, world_size=size, timeout=_PATIENCE
            )
        try:
            yield group
        finally:
            with contextlib.suppress(RuntimeError):  # another process is gone already
                dist.destroy_process_group()
            gc.collect()  # gloo's threads end with the last reference: Python must not end first

    def on_rank_zero(self, work: Callable[[], Result]) -> Result:
        """Let the first process do something; return its result, or raise its error, in all.

        The result must be plain data; those of other processes are copies.
        """
        if self.alone:
            return work()
        told: list[Any] = [None, None]
        if self.ranks.leads:
            try:
                told[0] = work()
            except CharrnnError as error:
                told[1] = error
        with _translate_errors():
            dist.broadcast_object_list(told, src=0)
        if told[1] is not None:
            told[1].reported_by_rank_zero = not self.ranks.leads
            raise told[1]
        result: Result = told[0]
        return result

    def rank_zero_context(
        self, context: Callable[[], contextlib.AbstractContextManager[None]]
    ) -> contextlib.AbstractContextManager[None]:
        """Return a context that only the first process enters; the others enter an empty one."""
        return context() if self.ranks.leads else contextlib.nullcontext()

    def all_reduce(self, tensors: Sequence[Tensor]) -> None:
        """Put the sum over all processes in the place of each tensor; the same bits in all."""
        if self.alone:
            return
        flat = torch.cat([each.reshape(-1) for each in tensors])
        with _translate_errors():
            dist.all_reduce(flat)
        first = 0
        for each in tensors:
            each.copy_(flat[first : first + each.numel()].view_as(each))
            first += each.numel()

    def all_gather(self, part: Tensor, dim: int) -> Tensor:
        """Return the parts of all processes, in their order, put together along a dimension."""
        if self.alone:
            return part
        parts = [torch.empty_like(part) for _ in range(self.ranks.size)]
        with _translate_errors():
            dist.all_gather(parts, part.contiguous())
        return torch.cat(parts, dim)


ALONE = Group(Ranks())
"""A single process, which has nobody to tell."""


@contextlib.contextmanager
def _translate_errors() -> Iterator[None]:
    """Turn the failure of another process, or of the way to it, into an error of charrnn's."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        reason = re.sub(r"^\[[^\]]*\] ", "", str(error)).partition(". ")[0].partition("\n")[0]
        raise GroupError(
            f"another process of this run has ended or cannot be reached ({reason}): what was "
            "saved is kept; start all of them again to go on from there"
        ) from None
