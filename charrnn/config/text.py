"""How a text is read."""

import codecs
from dataclasses import dataclass
from typing import Annotated, Literal

from charrnn.config.checks import CheckedFields, Range
from charrnn.errors import ConfigError

Newline = Literal["keep", "lf"]


@dataclass(frozen=True, kw_only=True)
class TextConfig(CheckedFields):
    """How a text is read: from bytes to characters of the vocabulary."""

    encoding: Annotated[str, "Character encoding of the text."] = "utf-8"
    newline: Annotated[Newline, "Line ends: keep them, or convert all to LF."] = "keep"
    min_count: Annotated[
        int,
        Range(1, 10**12),
        "Replace characters that occur fewer times than this with one unknown symbol.",
    ] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            "".encode(self.encoding)  # knows text encodings alone, not every codec
            codecs.getincrementaldecoder(self.encoding)
        except (LookupError, ValueError):
            raise ConfigError(
                f"encoding must be one that Python knows, such as utf-8, utf-16, cp1252 or "
                f"gb18030, not {self.encoding!r}"
            ) from None


PLAIN = TextConfig()
"""UTF-8, as it is."""
