"""The settings for reading a text."""

import codecs
import dataclasses
from dataclasses import dataclass
from typing import Annotated, Literal

from charrnn.config.checks import CheckedFields, Range
from charrnn.errors import ConfigError

Newline = Literal["keep", "lf"]


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
    strict: Annotated[
        bool,
        "Stop with an error if a folder contains a file that is not text. Default: skip runs and "
        "files that are not text, and list them.",
    ] = False


@dataclass(frozen=True, kw_only=True)
class ResolvedTextConfig(TextConfig):
    """How a text is read: no value is None."""

    encoding: str = "utf-8"
    newline: Newline = "keep"
    min_count: int = 1

    @property
    def codec(self) -> str:
        """The name of the encoding that Python uses for all its aliases."""
        return codecs.lookup(self.encoding).name

    def decodes_like(self, other: "ResolvedTextConfig") -> bool:
        """Return whether both turn the same bytes into the same text."""
        return (self.codec, self.newline) == (other.codec, other.newline)


DEFAULT_TEXT_CONFIG = ResolvedTextConfig()
"""UTF-8, unchanged."""
