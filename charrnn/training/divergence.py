"""Checks for divergence: losses, gradients and weights must be finite."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.errors import DivergedError


def check_step(step: int, train_loss: float, gradient_norm: float, learning_rate: float) -> None:
    """Raise `DivergedError` unless the loss and the gradient norm of a step are finite."""
    if not math.isfinite(train_loss) or not math.isfinite(gradient_norm):
        raise DivergedError(
            f"training diverged at step {step:,}: the loss is {train_loss:.4g} and the gradient "
            f"norm is {gradient_norm:.4g} at learning rate {learning_rate:.3g}",
            step=step,
            loss=train_loss,
        )


def check_evaluation(step: int, val_loss: float) -> None:
    """Raise `DivergedError` unless the held-out loss after `step` steps is finite."""
    if not math.isfinite(val_loss):
        raise DivergedError(
            f"training diverged before step {step:,}: the held-out loss is {val_loss}",
            step=step,
            loss=val_loss,
        )


def check_weights(step: int, arrays: Iterable[NDArray[Any]]) -> None:
    """Raise `DivergedError` unless every number of a checkpoint is finite."""
    if not all(np.isfinite(array).all() for array in arrays):
        raise DivergedError(
            f"training diverged at step {step:,}: a weight is not a finite number",
            step=step,
        )
