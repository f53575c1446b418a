"""How a text is read."""

import codecs
from dataclasses import dataclass
from typing import Annotated, Literal

from charrnn.config.checks import check_choice, check_integer
from charrnn.errors import ConfigError

Newline = Literal["keep", "lf"]


@dataclass(frozen=True, kw_only=True)
class TextConfig:
    """How a text is read: from bytes to characters of the vocabulary."""

    encoding: Annotated[str, "Encoding of the text."] = "utf-8"
    newline: Annotated[Newline, "Line ends: as they are, or all made LF."] = "keep"
    min_count: Annotated[int, "Characters that occur less often become one unknown symbol."] = 1

    def __post_init__(self) -> None:
        try:
            "".encode(self.encoding)  # knows text encodings alone, not every codec
            codecs.getincrementaldecoder(self.encoding)
        except (LookupError, ValueError):
            raise ConfigError(
                f"encoding must be one that Python knows, such as utf-8, utf-16, cp1252 or "
                f"gb18030, not {self.encoding!r}"
            ) from None
        check_choice("newline", self.newline, ("keep", "lf"))
        check_integer("min_count", self.min_count, 1, 10**12)


PLAIN = TextConfig()
"""UTF-8, as it is."""
