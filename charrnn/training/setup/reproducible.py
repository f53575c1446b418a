"""Checks of reproducible runs, which have the same result on every x86-64 CPU."""

import dataclasses

from charrnn.config.training import Budget, ResolvedTrainConfig, TrainConfig, check_reproducible
from charrnn.errors import ConfigError
from charrnn.numerics.reproducible import require_reproducible_kernels
from charrnn.training.distributed.group import Group


def set_machine(config: TrainConfig) -> TrainConfig:
    """Return the settings with the device, precision and threads of a reproducible run.

    Other settings are returned unchanged. Raises `DeviceError` if this process does not compute
    reproducibly.
    """
    if not config.reproducible:
        return config
    require_reproducible_kernels()
    return dataclasses.replace(config, device="cpu", precision="float32", threads=1)


def check_resume(
    training: ResolvedTrainConfig, device: str | None, threads: int | None, budget: Budget | None
) -> None:
    """Raise `CharrnnError` if the settings of a resume do not fit a reproducible run."""
    if training.reproducible:
        max_time = budget.max_time if budget else None
        check_reproducible(device or "cpu", training.precision, threads, max_time)
        require_reproducible_kernels()


def check_one_process(config: TrainConfig, group: Group) -> None:
    """Raise `ConfigError` if several processes train a reproducible run."""
    if config.reproducible and not group.is_single:
        raise ConfigError(
            "a reproducible run needs one process, because the sum of the gradients of several "
            "processes has another order",
            "start it without torchrun",
            "give --no-reproducible",
        )
