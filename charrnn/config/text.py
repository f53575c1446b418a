"""The settings for reading a text."""

import codecs
import dataclasses
from dataclasses import dataclass
from typing import Annotated, Literal

from charrnn.config.checks import CheckedFields, Range
from charrnn.errors import ConfigError

Newline = Literal["keep", "lf"]

SEPARATOR = "\x1c"
"""Separates documents: FILE SEPARATOR, a character that does not occur in texts."""


@dataclass(frozen=True, kw_only=True)
class ReadingConfig(CheckedFields):
    """How a text that is given to a run is read; None: as the text of the run was read."""

    encoding: Annotated[
        str | None, "Encoding of the text files. Default: that of the text of the run."
    ] = None
    newline: Annotated[
        Newline | None,
        "Line ends: keep them, or convert all to LF. Default: as in the text of the run.",
    ] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.encoding is None:
            return
        try:
            "".encode(self.encoding)  # refuses codecs that are not text encodings, such as rot13
            codecs.getincrementaldecoder(self.encoding)
        except (LookupError, ValueError):
            raise ConfigError(
                f"encoding must be one that Python supports, such as utf-8, utf-16, cp1252 "
                f"or gb18030, not {self.encoding!r}",
                setting="encoding",
            ) from None

    def resolve(self, inherited: "ResolvedTextConfig | None" = None) -> "ResolvedTextConfig":
        """Replace each value that is None by that of `inherited`, by default UTF-8, unchanged."""
        given = {name: value for name, value in vars(self).items() if value is not None}
        return dataclasses.replace(inherited or DEFAULT_TEXT_CONFIG, **given)


@dataclass(frozen=True, kw_only=True)
class TextConfig(ReadingConfig):
    """How the text of a new run is read: from bytes to characters of the vocabulary.

    None: as the text of the initial model was read, or else UTF-8, unchanged, all characters.
    """

    encoding: Annotated[
        str | None, "Encoding of the text files. Default: utf-8, or that of --init-from."
    ] = None
    newline: Annotated[
        Newline | None,
        "Line ends: keep them, or convert all to LF. Default: keep, or as in --init-from.",
    ] = None
    min_count: Annotated[
        int | None,
        Range(1, 10**12),
        "Replace characters that occur less often than this by one unknown symbol. Default: 1, or "
        "as in --init-from.",
    ] = None
    documents: Annotated[
        bool | None,
        "Read the text as separate documents, each from its start, such as recipes or the lines of "
        "a log. Default: if it has at least 200 documents with a median length of at most 2,000 "
        "characters, none longer than a sixteenth of the text, or as in --init-from.",
    ] = None
    document_separator: Annotated[
        str | None,
        "Character between two documents, such as $'\\n' if every line is one. Default: U+001C, "
        "which charrnn puts between files.",
    ] = None
    strict: Annotated[
        bool,
        "Stop with an error if a folder contains a file that is not text. Default: skip runs and "
        "files that are not text, and list them.",
    ] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_documents()
        separator = self.document_separator
        if separator is None:
            return
        if len(separator) != 1:
            raise ConfigError(
                f"document_separator must be one character, such as $'\\n', not {separator!r}",
                setting="document_separator",
            )
        try:
            separator.encode(self.encoding or "utf-8", "surrogatepass")
        except UnicodeError:
            raise ConfigError(
                f"document_separator must be a character of the encoding {self.encoding}, not "
                f"{separator!r}",
                setting="document_separator",
            ) from None

    def _check_documents(self) -> None:
        if self.documents is False and self.document_separator is not None:
            raise ConfigError(
                "document_separator has no effect, because the text is read as one stream",
                "omit one of the two settings",
                setting="document_separator",
            )

    @property
    def finds_documents(self) -> bool:
        """Whether the text decides if it is read as documents."""
        return self.documents is None and self.document_separator is None

    def resolve(self, inherited: "ResolvedTextConfig | None" = None) -> "ResolvedTextConfig":
        """Replace each value that is None, as `ReadingConfig` does.

        A text with a given separator is read as documents.
        """
        resolved = super().resolve(inherited)
        if self.documents is None and self.document_separator is not None:
            return dataclasses.replace(resolved, documents=True)
        return resolved


@dataclass(frozen=True, kw_only=True)
class ResolvedTextConfig(TextConfig):
    """How a text is read: no value is None."""

    encoding: str = "utf-8"
    newline: Newline = "keep"
    min_count: int = 1
    documents: bool = False
    document_separator: str = SEPARATOR

    def _check_documents(self) -> None:
        """Accept a separator without documents: it is that of the initial model, or the default."""

    @property
    def separator(self) -> str | None:
        """The separator of documents; None for a text that is read as one stream."""
        return self.document_separator if self.documents else None

    @property
    def codec(self) -> str:
        """The name of the encoding that Python uses for all its aliases."""
        return codecs.lookup(self.encoding).name

    def decodes_like(self, other: "ResolvedTextConfig") -> bool:
        """Return whether both turn the same bytes into the same text."""
        return (self.codec, self.newline) == (other.codec, other.newline)


DEFAULT_TEXT_CONFIG = ResolvedTextConfig()
"""UTF-8, unchanged."""
