"""How a model learns while it reads a text (dynamic evaluation)."""

from dataclasses import dataclass
from typing import Annotated

from charrnn.config.checks import CheckedFields, Range


@dataclass(frozen=True, kw_only=True)
class AdaptConfig(CheckedFields):
    """How a model learns while it reads a text (dynamic evaluation)."""

    segment: Annotated[
        int, Range(1, 2**20), "Characters foretold between two steps of adaptation."
    ] = 20
    adapt_rate: Annotated[
        float, Range(0, 1), "Length of a step of adaptation, for each weight."
    ] = 2e-4
    pull_back: Annotated[
        float, Range(0, 1), "Share of the way back to the trained weights, a step."
    ] = 0.002
