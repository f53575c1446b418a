"""How text is drawn from a model."""

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Literal

from charrnn.config.checks import MAX_SEED, CheckedFields, Range
from charrnn.config.parsing import parse_temperatures
from charrnn.errors import ConfigError

MOST_COPIED = 1000  # characters of a text that are looked back on for what is copied


@dataclass(frozen=True, kw_only=True)
class SampleConfig(CheckedFields):
    """How text is drawn from a model: temperature, then top-k, top-p, min-p, then the draw."""

    temperature: Annotated[
        float | tuple[float, ...],
        Range(0, 100),
        "Below 1: more predictable text; above 1: more varied text; 0: always the most likely "
        "character. Several values, such as 0.5,0.8,1.1, give a text for each of them.",
        parse_temperatures,
    ] = 0.8
    length: Annotated[int, Range(0, 10**12), "Number of characters to generate."] = 2000
    top_k: Annotated[
        int | None, Range(1, 2**31), "Draw only from this many most likely characters."
    ] = None
    top_p: Annotated[
        float | None,
        Range(1e-9, 1),
        "Draw only from the most likely characters that together have this probability.",
    ] = None
    min_p: Annotated[
        float | None,
        Range(0, 1),
        "Draw only from characters at least this likely, relative to the most likely one.",
    ] = None
    ban: Annotated[str | None, "Never generate these characters."] = None
    only: Annotated[str | None, "Generate only these characters."] = None
    line_length: Annotated[
        int | None, Range(1, 10**9), "Largest number of characters in a line."
    ] = None
    acrostic: Annotated[
        str | None, "Start each line with the next letter of this word; stop after the last one."
    ] = None
    max_copy: Annotated[
        int | None,
        Range(1, MOST_COPIED),
        "Most characters in a row that may be copied from the training text, or from --novelty.",
    ] = None
    stop: Annotated[str | None, "Stop before this text appears."] = None
    seed: Annotated[
        int | None,
        Range(0, MAX_SEED),
        "The same seed gives the same text; default: a random seed, which is shown.",
    ] = None
    num_samples: Annotated[int, Range(1, 2**20), "Number of texts to generate."] = 1
    unknown: Annotated[
        Literal["error", "skip"],
        "Characters that are not in the model's vocabulary: stop with an error, or skip them.",
    ] = "error"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("stop", "only", "acrostic"):
            if getattr(self, name) == "":
                raise ConfigError(f"{name} must be at least one character, not an empty text")
        if self.acrostic and any(each.isspace() for each in self.acrostic):
            raise ConfigError(f"acrostic must be a word without spaces, not {self.acrostic!r}")

    @property
    def temperatures(self) -> tuple[float, ...]:
        """The temperatures, one or several."""
        given = self.temperature
        return given if isinstance(given, tuple) else (given,)

    def at_each_temperature(self) -> "list[SampleConfig]":
        """Return this config for each temperature alone."""
        return [dataclasses.replace(self, temperature=each) for each in self.temperatures]
