"""The speed of training, measured before a run starts."""

import time

from charrnn.training.trainer import Trainer


def seconds_per_step(trainer: Trainer, seconds: float) -> float:
    """Train for about this time; return the time of a step. No file is written."""
    trainer.take_steps(write_rows=False)  # the first call also compiles and allocates memory
    start, steps = time.perf_counter(), 0
    while (passed := time.perf_counter() - start) < seconds or not steps:
        steps += len(trainer.take_steps(write_rows=False))
    return passed / steps
