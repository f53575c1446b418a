"""The contents of `config.json`. Every value is checked, because the file may be untrusted."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from charrnn.config.checks import (
    CheckedFields,
    Range,
    check_sha256,
    check_text,
    create_from_record,
)
from charrnn.config.model import ModelConfig
from charrnn.config.text import DEFAULT_TEXT_CONFIG, ResolvedTextConfig
from charrnn.config.training import ResolvedTrainConfig
from charrnn.data.corpus_record import CorpusRecord
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import ConfigError, VocabularyError
from charrnn.runs.compatibility import (
    FORMAT,
    make_read_error,
    make_unknown_error,
    read_version,
)
from charrnn.version import __version__

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
    version: str | None = __version__
    """The version of charrnn that wrote the file; None if it is not known."""
    format: Annotated[int, Range(1, FORMAT)] = FORMAT

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.corpus.line_start not in self.vocabulary:
            raise ConfigError("line_start must be a character of the vocabulary")


def config_to_record(config: RunConfig) -> dict[str, Any]:
    """Return the contents of `config.json`, as this version writes it."""
    record = dataclasses.asdict(config)
    del record["version"], record["format"]  # those of the file that was read
    return {"format": FORMAT, "charrnn": __version__, **record}


def parse_config(record: Mapping[str, Any], path: Path) -> RunConfig:
    """Return the config in a record that was read from `path`; raise `CheckpointError`."""
    version = read_version(record)
    try:
        if record["format"] > FORMAT:
            problem = f"its format number, {record['format']}, is not known"
            raise make_unknown_error(path, problem, version)
        origin = record["init_from"]
        Vocabulary(record["vocabulary"])  # checks that the characters are single and distinct
        return RunConfig(
            model=create_from_record(ModelConfig, record["model"]),
            training=create_from_record(
                ResolvedTrainConfig, {**_DEFAULTS_FOR_OLD_RUNS, **record["training"]}
            ),
            vocabulary=tuple(record["vocabulary"]),
            corpus=CorpusRecord.from_json(record["corpus"]),
            text=create_from_record(ResolvedTextConfig, record.get("text", {})),
            init_from=create_from_record(Origin, origin) if origin else None,
            baseline=record.get("baseline"),
            version=version,
            format=record["format"],
        )
    except (
        *(ValueError, KeyError, TypeError, AttributeError),
        *(ConfigError, VocabularyError),
    ) as error:
        raise make_read_error(path, error, version) from None
