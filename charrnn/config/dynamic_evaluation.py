"""How a model learns while it reads a text (dynamic evaluation)."""

from dataclasses import dataclass
from typing import Annotated

from charrnn.config.checks import check_integer, check_number


@dataclass(frozen=True, kw_only=True)
class AdaptConfig:
    """How a model learns while it reads a text (dynamic evaluation)."""

    segment: Annotated[int, "Characters foretold between two steps of adaptation."] = 20
    adapt_rate: Annotated[float, "Length of a step of adaptation, for each weight."] = 2e-4
    pull_back: Annotated[float, "Share of the way back to the trained weights, a step."] = 0.002

    def __post_init__(self) -> None:
        check_integer("segment", self.segment, 1, 2**20)
        check_number("adapt_rate", self.adapt_rate, 0, 1)
        check_number("pull_back", self.pull_back, 0, 1)
