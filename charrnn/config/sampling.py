"""How text is drawn from a model."""

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Literal

from charrnn.config.checks import MAX_SEED, check_choice, check_integer, check_number
from charrnn.config.parsing import parse_temperatures
from charrnn.errors import ConfigError

MOST_COPIED = 1000  # characters of a text that are looked back on for what is copied


@dataclass(frozen=True, kw_only=True)
class SampleConfig:
    """How text is drawn from a model: temperature, then top-k, top-p, min-p, then the draw."""

    temperature: Annotated[
        float | tuple[float, ...],
        "Below 1 safer, above 1 wilder; 0: always the likeliest. 0.5,0.8,1.1 writes with each.",
        parse_temperatures,
    ] = 0.8
    length: Annotated[int, "New characters to write."] = 2000
    top_k: Annotated[int | None, "Draw from the k likeliest characters only."] = None
    top_p: Annotated[
        float | None, "Draw from the likeliest characters that together hold this probability."
    ] = None
    min_p: Annotated[
        float | None, "Draw from characters at least this likely, relative to the likeliest."
    ] = None
    ban: Annotated[str | None, "Never write these characters."] = None
    only: Annotated[str | None, "Write these characters alone."] = None
    line_length: Annotated[int | None, "Most characters of a line."] = None
    acrostic: Annotated[
        str | None, "Begin each line with the next letter of this word; end with its last line."
    ] = None
    max_copy: Annotated[
        int | None, "Most characters in a row as they stand in the text learnt from, or --novelty."
    ] = None
    stop: Annotated[str | None, "Stop before this text."] = None
    seed: Annotated[int | None, "Same seed, same text; left out: chosen and shown."] = None
    num_samples: Annotated[int, "Texts to write."] = 1
    unknown: Annotated[
        Literal["error", "skip"], "What to do with characters the model does not know."
    ] = "error"

    def __post_init__(self) -> None:
        for each in self.temperatures:
            check_number("temperature", each, 0, 100)
        check_integer("length", self.length, 0, 10**12)
        check_integer("top_k", self.top_k, 1, 2**31, optional=True)
        check_number("top_p", self.top_p, 1e-9, 1, optional=True)
        check_number("min_p", self.min_p, 0, 1, optional=True)
        check_integer("seed", self.seed, 0, MAX_SEED, optional=True)
        check_integer("num_samples", self.num_samples, 1, 2**20)
        check_choice("unknown", self.unknown, ("error", "skip"))
        check_integer("line_length", self.line_length, 1, 10**9, optional=True)
        check_integer("max_copy", self.max_copy, 1, MOST_COPIED, optional=True)
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
