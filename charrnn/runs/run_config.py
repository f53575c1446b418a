"""The contents of `config.json`. Every value is checked, because the file may be untrusted."""

from dataclasses import dataclass
from typing import Annotated

from charrnn.config.checks import CheckedFields, Range, check_sha256, check_text
from charrnn.config.model import ModelConfig
from charrnn.config.text import DEFAULT_TEXT_CONFIG, ResolvedTextConfig
from charrnn.config.training import ResolvedTrainConfig
from charrnn.data.corpus_record import CorpusRecord
from charrnn.errors import ConfigError


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
