"""The settings of sampling: how a model generates text."""

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Literal

from charrnn.config.checks import MAX_SEED, CheckedFields, Range
from charrnn.config.parsing import parse_temperatures
from charrnn.errors import ConfigError

MAX_LOOKBACK = 1000  # longest copied or repeated passage that is detected, in characters
DEFAULT_TEMPERATURE = 0.9


@dataclass(frozen=True, kw_only=True)
class SampleConfig(CheckedFields):
    """How a model generates text.

    The order is: temperature, top-k, top-p, min-p, then a random draw. `temperature=1, min_p=0`
    draws from the network's own distribution.
    """

    temperature: Annotated[
        float | tuple[float, ...],
        Range(0, 100),
        "Below 1: safer text; above 1: more surprising text; 0: always the most likely character. "
        "Several values, such as 0.5,0.8,1.1: one text for each. -t 1 --min-p 0: the network's own "
        "distribution.",
        parse_temperatures,
    ] = DEFAULT_TEMPERATURE
    length: Annotated[int, Range(0, 10**12), "Number of characters to generate."] = 2000
    top_k: Annotated[
        int | None, Range(1, 2**31), "Choose only from the K most likely characters."
    ] = None
    top_p: Annotated[
        float | None,
        Range(1e-9, 1),
        "Choose only from the most likely characters whose probabilities add up to this (0 to 1).",
    ] = None
    min_p: Annotated[
        float | None,
        Range(0, 1),
        "Leave out characters less likely than this fraction of the most likely one, but keep two "
        "at least; 0: leave out none.",
    ] = 0.05
    ban: Annotated[str | None, "Never generate these characters."] = None
    only: Annotated[str | None, "Generate only these characters."] = None
    line_length: Annotated[
        int | None, Range(1, 10**9), "Maximum number of characters in a line."
    ] = None
    acrostic: Annotated[
        str | None, "Start the lines with the letters of this word, one letter per line, then stop."
    ] = None
    max_copy: Annotated[
        int | None,
        Range(1, MAX_LOOKBACK),
        "Copy at most this many characters in a row from the training text (or from --novelty).",
    ] = None
    no_repeat: Annotated[
        int | None,
        Range(1, MAX_LOOKBACK),
        "Never generate this many characters in a row that the text or its prompt has already, "
        "such as 20; the text ends if no character is left.",
    ] = None
    stop: Annotated[str | None, "Stop when this text would be generated; it is not shown."] = None
    seed: Annotated[
        int | None,
        Range(0, MAX_SEED),
        "The same seed gives the same text. Default: a random seed, which is shown.",
    ] = None
    num_samples: Annotated[int, Range(1, 2**20), "Number of texts to generate."] = 1
    unknown: Annotated[
        Literal["error", "skip"],
        "What to do with characters of the prompt that are not in the model's vocabulary.",
    ] = "error"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("stop", "only", "acrostic"):
            if getattr(self, name) == "":
                raise ConfigError(
                    f"{name} must be at least one character, not an empty text", setting=name
                )
        if self.acrostic and any(character.isspace() for character in self.acrostic):
            raise ConfigError(
                f"acrostic must be a word without spaces, not {self.acrostic!r}", setting="acrostic"
            )

    @property
    def temperatures(self) -> tuple[float, ...]:
        """The temperatures as a tuple, also if there is only one."""
        value = self.temperature
        return value if isinstance(value, tuple) else (value,)

    def split_temperatures(self) -> "list[SampleConfig]":
        """Return one config for each temperature."""
        return [dataclasses.replace(self, temperature=value) for value in self.temperatures]
