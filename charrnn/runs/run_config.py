"""The contents of `config.json`. Every value is checked, because the file may be untrusted."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from charrnn.config.checks import CheckedFields, Range, check_sha256, check_text
from charrnn.config.model import ModelConfig
from charrnn.config.text import DEFAULT_TEXT_CONFIG, ResolvedTextConfig
from charrnn.config.training import ResolvedTrainConfig
from charrnn.data.corpus_record import CorpusRecord
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import CheckpointError, ConfigError, VocabularyError
from charrnn.version import __version__

FORMAT = 1
"""The number of the format. Increase it if an older charrnn cannot read a new config.json or
checkpoint. The tests contain a run of each format."""

_DEFAULTS_FOR_OLD_RUNS = {"loss_temperature": 1.0, "eval_characters": 1_000_000}
"""Values of settings that config.json of an older run does not contain. A setting needs an entry if
its default has changed since it was added, or if `ResolvedTrainConfig` has no default for it."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The checkpoint from which a run took its initial weights, and the SHA-256 of its model."""

    path: str
    sha256: str

    def __post_init__(self) -> None:
        check_text("path", self.path)
        check_sha256(self.sha256)


@dataclass(frozen=True, kw_only=True)
class RunConfig(CheckedFields):
    """The contents of `config.json`, which are fixed when a run starts."""

    model: ModelConfig
    training: ResolvedTrainConfig
    vocabulary: tuple[str, ...]
    corpus: CorpusRecord
    text: ResolvedTextConfig = DEFAULT_TEXT_CONFIG
    init_from: Origin | None = None
    baseline: Annotated[float | None, Range(0, 1e9)] = None
    """The held-out loss of a 5-gram model, in nats per character; None if it was not measured."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.corpus.line_start not in self.vocabulary:
            raise ConfigError("line_start must be a character of the vocabulary")


def config_to_record(config: RunConfig) -> dict[str, Any]:
    """Return the contents of `config.json`; `parse_config` is the inverse."""
    return {"format": FORMAT, "charrnn": __version__, **dataclasses.asdict(config)}


def parse_config(record: Mapping[str, Any], path: Path) -> RunConfig:
    """Return the config in a record that was read from `path`; raise `CheckpointError`."""
    try:
        if record["format"] > FORMAT:
            raise CheckpointError(
                f"{path} has the format number {record['format']}, but this charrnn "
                f"({__version__}) reads up to {FORMAT}",
                "install a newer charrnn",
            )
        Vocabulary(record["vocabulary"])  # checks that the characters are single and distinct
        return RunConfig(
            model=ModelConfig(**record["model"]),
            training=ResolvedTrainConfig(**{**_DEFAULTS_FOR_OLD_RUNS, **record["training"]}),
            vocabulary=tuple(record["vocabulary"]),
            corpus=CorpusRecord.from_json(record["corpus"]),
            text=ResolvedTextConfig(**record.get("text", {})),
            init_from=Origin(**record["init_from"]) if record["init_from"] else None,
            baseline=record.get("baseline"),
        )
    except (
        *(ValueError, KeyError, TypeError, AttributeError),
        *(ConfigError, VocabularyError),
    ) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from None
