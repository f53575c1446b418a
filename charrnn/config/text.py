"""The settings for reading a text."""

import codecs
from dataclasses import dataclass
from typing import Annotated, Literal

from charrnn.config.checks import CheckedFields, Range
from charrnn.errors import ConfigError

Newline = Literal["keep", "lf"]


@dataclass(frozen=True, kw_only=True)
class TextConfig(CheckedFields):
    """How a text is read: from bytes to characters of the vocabulary."""

    encoding: Annotated[str, "Encoding of the text files."] = "utf-8"
    newline: Annotated[Newline, "Line ends: keep them, or convert all to LF."] = "keep"
    min_count: Annotated[
        int,
        Range(1, 10**12),
        "Replace characters that occur less often than this by one unknown symbol.",
    ] = 1
    strict: Annotated[
        bool,
        "Stop with an error if a folder contains a file that is not text. Default: skip runs and "
        "files that are not text, and list them.",
    ] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            "".encode(self.encoding)  # refuses codecs that are not text encodings, such as rot13
            codecs.getincrementaldecoder(self.encoding)
        except (LookupError, ValueError):
            raise ConfigError(
                f"encoding must be one that Python supports, such as utf-8, utf-16, cp1252 "
                f"or gb18030, not {self.encoding!r}",
                setting="encoding",
            ) from None


DEFAULT_TEXT_CONFIG = TextConfig()
"""UTF-8, unchanged."""
