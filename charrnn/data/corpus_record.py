"""The record of a corpus in a run: its name, paths, SHA-256 and length."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from charrnn.config.checks import (
    CheckedFields,
    Range,
    check_sha256,
    check_text,
    create_from_record,
)
from charrnn.errors import ConfigError

_NO_SHA256 = "0" * 64


@dataclass(frozen=True, kw_only=True)
class CorpusRecord(CheckedFields):
    """The data about a text that a run stores, to find the same text again when it is resumed."""

    name: str
    path: str
    sha256: str
    characters: Annotated[int, Range(0, 10**15)]
    line_start: str
    more_paths: tuple[str, ...] = ()
    """The other files, folders and patterns, if the text was read from several."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_text("name", self.name)
        for path in (self.path, *self.more_paths):
            check_text("path", path)
        check_sha256(self.sha256)
        if not isinstance(self.line_start, str) or len(self.line_start) != 1:
            raise ConfigError(
                f"line_start must be one character, not {str(self.line_start)[:20]!r}"
            )

    @property
    def is_known(self) -> bool:
        """Whether this is the record of a text; a model file of charrnn 0.1.0 has none."""
        return self.sha256 != _NO_SHA256

    @property
    def paths(self) -> tuple[str, ...]:
        """All files, folders and patterns; empty for a text from memory."""
        return tuple(path for path in (self.path, *self.more_paths) if path)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "CorpusRecord":
        """Create a record from its JSON form; raise `ConfigError` if a value is invalid."""
        more_paths = tuple(record.get("more_paths", ()))
        return create_from_record(cls, {**record, "more_paths": more_paths})


def make_unknown_corpus(line_start: str) -> CorpusRecord:
    """Return the record of a model whose text is not known."""
    return CorpusRecord(
        name="unknown", path="", sha256=_NO_SHA256, characters=0, line_start=line_start
    )
