"""The settings of dynamic evaluation: the model learns from the text that it reads."""

from dataclasses import dataclass
from typing import Annotated

from charrnn.config.checks import CheckedFields, Range


@dataclass(frozen=True, kw_only=True)
class AdaptConfig(CheckedFields):
    """The settings of dynamic evaluation: the model learns from the text that it reads."""

    segment: Annotated[
        int, Range(1, 2**20), "Characters read between two updates of the weights."
    ] = 20
    adapt_rate: Annotated[float, Range(0, 1), "Step size of an update, for each weight."] = 2e-4
    pull_back: Annotated[
        float, Range(0, 1), "Fraction of the distance back to the trained weights, per update."
    ] = 0.002
