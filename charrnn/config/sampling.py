"""How text is drawn from a model."""

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Literal

from charrnn.config.checks import MAX_SEED, CheckedFields, Range
from charrnn.config.parsing import parse_temperatures
from charrnn.errors import ConfigError

MAX_LOOKBACK = 1000  # characters of a text that are looked back on for what is copied


@dataclass(frozen=True, kw_only=True)
class SampleConfig(CheckedFields):
    """How text is drawn from a model: temperature, then top-k, top-p, min-p, then the draw."""

    temperature: Annotated[
        float | tuple[float, ...],
        Range(0, 100),
        "Below 1 safer, above 1 wilder; 0: always the likeliest. 0.5,0.8,1.1 writes with each.",
        parse_temperatures,
    ] = 0.8
    length: Annotated[int, Range(0, 10**12), "New characters to write."] = 2000
    top_k: Annotated[int | None, Range(1, 2**31), "Draw from the k likeliest characters only."] = (
        None
    )
    top_p: Annotated[
        float | None,
        Range(1e-9, 1),
        "Draw from the likeliest characters that together hold this probability.",
    ] = None
    min_p: Annotated[
        float | None,
        Range(0, 1),
        "Draw from characters at least this likely, relative to the likeliest.",
    ] = None
    ban: Annotated[str | None, "Never write these characters."] = None
    only: Annotated[str | None, "Write these characters alone."] = None
    line_length: Annotated[int | None, Range(1, 10**9), "Most characters of a line."] = None
    acrostic: Annotated[
        str | None, "Begin each line with the next letter of this word; end with its last line."
    ] = None
    max_copy: Annotated[
        int | None,
        Range(1, MAX_LOOKBACK),
        "Most characters in a row as they stand in the text learnt from, or --novelty.",
    ] = None
    stop: Annotated[str | None, "Stop before this text."] = None
    seed: Annotated[
        int | None, Range(0, MAX_SEED), "Same seed, same text; left out: chosen and shown."
    ] = None
    num_samples: Annotated[int, Range(1, 2**20), "Texts to write."] = 1
    unknown: Annotated[
        Literal["error", "skip"], "What to do with characters the model does not know."
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

    def split_temperatures(self) -> "list[SampleConfig]":
        """Return this config for each temperature alone."""
        return [dataclasses.replace(self, temperature=each) for each in self.temperatures]
