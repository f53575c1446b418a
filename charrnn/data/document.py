"""A text file as bytes, plain or compressed by gzip."""

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from charrnn.data.progress import CHUNK
from charrnn.errors import CorpusError

_GZIP = b"\x1f\x8b\x08"  # the first bytes of a file that gzip made (RFC 1952)


class Document(NamedTuple):
    """A text file, plain or compressed by gzip; `label` is its name in error messages."""

    path: Path
    label: str

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes of the text; raise `CorpusError` if they cannot be read."""
        try:
            with self.path.open("rb") as file:
                is_gzip = self.path.suffix == ".gz" or file.peek(len(_GZIP)).startswith(_GZIP)
                stream: io.BufferedIOBase = gzip.GzipFile(fileobj=file) if is_gzip else file
                while chunk := stream.read(CHUNK):
                    yield chunk
        except (gzip.BadGzipFile, EOFError, zlib.error):
            raise CorpusError(
                f"{self.label} is not a complete .gz file",
                "give the complete file",
                "give a plain text whose name does not end in .gz",
            ) from None
        except OSError as error:
            raise read_error(self.label, error) from None


def read_error(label: str, error: OSError | ValueError) -> CorpusError:
    """Return the error for a text that the operating system cannot read."""
    if isinstance(error, FileNotFoundError):
        return CorpusError(f"there is no file {label}", "give the path of a text file")
    reason = error.strerror if isinstance(error, OSError) else error
    return CorpusError(f"{label} cannot be read ({reason})", "give a text file that you may read")
