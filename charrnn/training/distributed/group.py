"""Communication between the processes of a run, by torch.distributed.

All processes make the same calls in the same order. If a result depends on a clock, a disk or a
signal, one process determines it and sends it to the others, so all processes do the same.
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

_LOST_CONNECTION = re.compile(r"connect|socket|peer|timed? ?out|gloo|nccl|rendezvous|store", re.I)
"""What the messages of torch.distributed contain if a connection failed, from all backends."""
_TIMEOUT = datetime.timedelta(minutes=30)  # for a process that reads a text or evaluates


class Group:
    """The processes of one run. A single process communicates with no other one."""

    def __init__(self, ranks: Ranks) -> None:
        self.ranks = ranks
        self.is_single = ranks.size == 1
        """Whether the run has one process only."""

    @classmethod
    @contextlib.contextmanager
    def join(cls) -> Iterator["Group"]:
        """Join the group of processes that torchrun started; leave it at the end of the block."""
        group = cls(Ranks.from_environment())
        if group.is_single or dist.is_initialized():
            yield group
            return
        if torch.cuda.is_available():
            torch.cuda.set_device(group.ranks.local_rank % torch.cuda.device_count())
        # Imported here: not every build of torch has these modules.
        from torch.distributed.distributed_c10d import PrefixStore
        from torch.distributed.rendezvous import rendezvous

        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        with _translate_errors():
            # After a restart, the store can still hold the addresses of the processes that ended.
            # A prefix for each restart keeps these addresses apart from the new ones.
            store, rank, size = next(rendezvous("env://", timeout=_TIMEOUT))
            store = PrefixStore(f"attempt-{group.ranks.restarts}", store)
            dist.init_process_group(
                backend, store=store, rank=rank, world_size=size, timeout=_TIMEOUT
            )
        try:
            yield group
        finally:
            with contextlib.suppress(RuntimeError):  # another process has ended already
                dist.destroy_process_group()
            # gloo's threads end with the last reference to the group. They must end before Python.
            gc.collect()

    def on_rank_zero(self, work: Callable[[], Result]) -> Result:
        """Call `work` in the process of rank zero; return its result in all processes.

        If it raises a `CharrnnError`, all processes raise that error. The result must be plain
        data: the other processes get copies.
        """
        if self.is_single:
            return work()
        outcome: list[Any] = [None, None]  # the result, the error
        if self.ranks.is_rank_zero:
            try:
                outcome[0] = work()
            except CharrnnError as error:
                outcome[1] = error
        with _translate_errors():
            dist.broadcast_object_list(outcome, src=0)
        if outcome[1] is not None:
            outcome[1].reported_by_rank_zero = not self.ranks.is_rank_zero
            raise outcome[1]
        result: Result = outcome[0]
        return result

    def is_true_in_any(self, value: bool) -> bool:
        """Return whether `value` is true in any process; the same in all."""
        if self.is_single:
            return value
        values: list[bool] = [False] * self.ranks.size
        with _translate_errors():
            dist.all_gather_object(values, value)
        return any(values)

    def rank_zero_context(
        self, context: Callable[[], contextlib.AbstractContextManager[None]]
    ) -> contextlib.AbstractContextManager[None]:
        """Return `context()` in the process of rank zero, and an empty context in the others."""
        return context() if self.ranks.is_rank_zero else contextlib.nullcontext()

    def all_reduce(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor, in place, by its sum over all processes; the same bits in all."""
        if self.is_single:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        with _translate_errors():
            dist.all_reduce(flat)
        first = 0
        for tensor in tensors:
            tensor.copy_(flat[first : first + tensor.numel()].view_as(tensor))
            first += tensor.numel()

    def all_gather(self, part: Tensor, dim: int) -> Tensor:
        """Return the parts of all processes, in the order of ranks, concatenated along `dim`."""
        if self.is_single:
            return part
        parts = [torch.empty_like(part) for _ in range(self.ranks.size)]
        with _translate_errors():
            dist.all_gather(parts, part.contiguous())
        return torch.cat(parts, dim)


SINGLE_PROCESS = Group(Ranks())
"""The group of a run with one process."""


@contextlib.contextmanager
def _translate_errors() -> Iterator[None]:
    """Raise `GroupError` if another process failed or the connection to it failed."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        if re.search(r"out of memory|allocate memory", str(error)):
            raise MemoryError(str(error)) from error
        if not (isinstance(error, dist.DistError) or _LOST_CONNECTION.search(str(error))):
            raise
        reason = re.sub(r"^\[[^\]]*\] ", "", str(error)).partition(". ")[0].partition("\n")[0]
        raise GroupError(
            f"another process of this run has ended or cannot be reached ({reason}); saved "
            "checkpoints are not affected",
            "start all processes again to continue from the newest checkpoint",
        ) from None
