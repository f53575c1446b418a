"""How a model learns while it reads a text (dynamic evaluation)."""

from dataclasses import dataclass
from typing import Annotated

from charrnn.config.checks import CheckedFields, Range


@dataclass(frozen=True, kw_only=True)
class AdaptConfig(CheckedFields):
    """How a model learns while it reads a text (dynamic evaluation)."""

    segment: Annotated[
        int, Range(1, 2**20), "Characters predicted between two adaptation steps."
    ] = 20
    adapt_rate: Annotated[float, Range(0, 1), "Step size of the adaptation, per weight."] = 2e-4
    pull_back: Annotated[
        float, Range(0, 1), "Share of the distance back to the trained weights, per step."
    ] = 0.002
