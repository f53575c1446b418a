"""The settings of dynamic evaluation: the model learns from the text that it reads."""

from dataclasses import dataclass
from typing import Annotated

from charrnn.config.checks import CheckedFields, Range

# Weights are pulled back at every fourth update, by as much as in four updates: a pull-back reads
# the trained weights from memory, which takes a sixth of the time of a segment.
PULL_BACK_INTERVAL = 4


@dataclass(frozen=True, kw_only=True)
class AdaptConfig(CheckedFields):
    """The settings of dynamic evaluation: the model learns from the text that it reads."""

    segment: Annotated[
        int, Range(1, 2**20), "Characters read between two updates of the weights."
    ] = 20
    adapt_rate: Annotated[float, Range(0, 1), "Step size of an update, for each weight."] = 2.5e-4
    pull_back: Annotated[
        float,
        Range(0, 1),
        "Fraction of the distance back to the trained weights, per update, of a weight whose "
        "gradients have the mean root mean square.",
    ] = 0.001
    prior_updates: Annotated[
        float, Range(0, 10**6), "Updates that the gradients of the training text count as."
    ] = 100.0

    def pull_back_at(self, update: int) -> float:
        """Return the fraction of the distance to the trained weights at this update, from 1."""
        if update % PULL_BACK_INTERVAL:
            return 0.0
        return 1 - (1 - self.pull_back) ** PULL_BACK_INTERVAL
