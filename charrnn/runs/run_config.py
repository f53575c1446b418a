"""What a run remembers, as `config.json` holds it; each value is checked, wherever it came from."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from charrnn.config.checks import check_integer, check_number, check_text
from charrnn.config.training import PLAIN, ModelConfig, TextConfig, TrainConfig
from charrnn.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class CorpusRecord:
    """What a run remembers of its text: enough to find it again and to know it is the same."""

    name: str
    path: str
    sha256: str
    characters: int
    line_start: str
    more_paths: tuple[str, ...] = ()
    """Further files, folders and patterns, where the text is made of several."""

    def __post_init__(self) -> None:
        check_text("name", self.name)
        for path in (self.path, *self.more_paths):
            check_text("path", path)
        _check_sha256(self.sha256)
        check_integer("characters", self.characters, 0, 10**15)
        check_text("line_start", self.line_start)
        if len(self.line_start) != 1:
            raise ConfigError(f"line_start must be one character, not {self.line_start[:20]!r}")

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "CorpusRecord":
        """Return what was written as JSON."""
        return cls(**{**record, "more_paths": tuple(record.get("more_paths", ()))})


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The checkpoint that a run's weights came from, and the SHA-256 of its model."""

    path: str
    sha256: str

    def __post_init__(self) -> None:
        check_text("path", self.path)
        _check_sha256(self.sha256)


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """All that `config.json` holds: what a run is, fixed when it starts."""

    model: ModelConfig
    training: TrainConfig
    vocabulary: tuple[str, ...]
    corpus: CorpusRecord
    text: TextConfig = PLAIN
    init_from: Origin | None = None
    baseline: float | None = None
    """Loss of a 5-gram model on the held-out part, in nats per character; None: not measured."""

    def __post_init__(self) -> None:
        for name in ("batch_size", "seq_length", "eval_every"):  # resolved when the run was made
            check_integer(name, getattr(self.training, name), 1, 10**12)
        regularisers = ("dropout", "output_dropout", "weight_drop", "weight_decay")
        for name in (*regularisers, "loss_temperature"):
            check_number(name, getattr(self.training, name), 0, 10)
        check_number("baseline", self.baseline, 0, 1e9, optional=True)
        if self.corpus.line_start not in self.vocabulary:
            raise ConfigError("line_start must be a character of the vocabulary")


def _check_sha256(value: Any) -> None:
    check_text("sha256", value)
    if not re.fullmatch(r"[0-9a-f]{64}", value):
        raise ConfigError(f"sha256 must be 64 hexadecimal digits, not {value[:80]!r}")
