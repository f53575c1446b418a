"""The speed of training, measured before a run starts."""

import time

from charrnn.training.distributed.group import SINGLE_PROCESS, Group
from charrnn.training.trainer import Trainer


def seconds_per_step(trainer: Trainer, seconds: float, group: Group = SINGLE_PROCESS) -> float:
    """Train for about this time; return the time of a step. No file is written.

    The clock of rank zero decides when all processes of the group stop.
    """
    trainer.take_steps(write_rows=False)  # the first call also compiles and allocates memory
    start, steps, passed = time.perf_counter(), 0, 0.0
    while passed < seconds or not steps:
        steps += len(trainer.take_steps(write_rows=False))
        passed = group.on_rank_zero(lambda: time.perf_counter() - start)
    return passed / steps
