"""Strict decoding of bytes to text; errors give the offset of the first invalid byte."""

import codecs
import io
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from charrnn.config.text import DEFAULT_TEXT_CONFIG, Newline, ResolvedTextConfig
from charrnn.data.byte_source import ByteSource
from charrnn.data.document import Document
from charrnn.data.encoding_check import (
    EncodingCheck,
    InvalidByte,
    around,
    make_decoding_error,
    make_unreadable_error,
)
from charrnn.data.formats import refuse_format
from charrnn.data.sources import Source
from charrnn.data.web_address import refuse_web_address
from charrnn.errors import CorpusError
from charrnn.files import expand_path

_BYTE_ORDER_MARK = "\ufeff"


class BytesInMemory(NamedTuple):
    """The bytes of a text that can be read only once, such as standard input."""

    pieces: Sequence[bytes]
    label: str

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes."""
        yield from self.pieces


def open_text(source: Source) -> ByteSource:
    """Return the bytes of a text file, or of standard input (`-`); raise `CorpusError`."""
    if str(source) == "-":
        return BytesInMemory([sys.stdin.buffer.read()], "standard input")
    path = expand_path(source)
    if path.is_dir():
        raise CorpusError(f"{path} is a folder", "give the path of one text file in it")
    if not path.exists():
        refuse_web_address(source)
    document = Document(path, str(source))
    if path.exists() and not stat.S_ISREG(path.stat().st_mode):
        return BytesInMemory(list(document.chunks()), document.label)
    return document


def decode_text(
    source: ByteSource,
    config: ResolvedTextConfig = DEFAULT_TEXT_CONFIG,
    siblings: Sequence[ByteSource] = (),
) -> str:
    """Return a text; see `decode_chunks`."""
    return "".join(decode_chunks(source.chunks(), source, config, siblings))


def decode_chunks(
    chunks: Iterable[bytes],
    source: ByteSource,
    config: ResolvedTextConfig = DEFAULT_TEXT_CONFIG,
    siblings: Sequence[ByteSource] = (),
) -> Iterator[str]:
    """Decode the chunks of a source, which may be split at any byte; yield pieces of text.

    A byte order mark at the start is removed; line ends are converted as `config` requires. Raises
    `CorpusError` if a byte is invalid, or if the text is surely in another encoding. `siblings` are
    the other documents that are read with the same settings. To find the likely encoding, the
    sources are read again.
    """
    decoder = codecs.getincrementaldecoder(config.encoding)()
    newlines = _NewlineDecoder(config.newline)
    check = EncodingCheck(source, config, siblings)
    num_bytes, is_start = 0, True
    for chunk, is_final in _mark_end(chunks):
        if not num_bytes:
            refuse_format(chunk, source.label)
        try:
            text = decoder.decode(chunk, is_final)
        except UnicodeDecodeError as error:
            # The bytes of the error start with the incomplete character of earlier chunks.
            data, position = error.object, error.start
            invalid = InvalidByte(
                offset=num_bytes + len(chunk) - len(data) + position,
                value=data[position],
                data=around(data, position),
                is_cut_off=is_final and error.end == len(data),
            )
            raise make_decoding_error(source, config, invalid, siblings) from None
        except UnicodeError as error:
            raise make_unreadable_error(source, config, error, siblings) from None
        check.add(chunk, is_final)
        num_bytes += len(chunk)
        if is_start and text:
            is_start, text = False, text.removeprefix(_BYTE_ORDER_MARK)
        if text := newlines.decode(text, is_final):
            yield text


def convert_newlines(text: str, newline: Newline) -> str:
    """Return a text with its line ends converted as the text of a file would be."""
    return _NewlineDecoder(newline).decode(text, is_final=True)


class _NewlineDecoder:
    """Converts the line ends of a text that is added in pieces, if `newline` requires it."""

    def __init__(self, newline: Newline) -> None:
        self._decoder = (
            io.IncrementalNewlineDecoder(None, translate=True) if newline == "lf" else None
        )

    def decode(self, text: str, is_final: bool) -> str:
        return self._decoder.decode(text, is_final) if self._decoder else text


def _mark_end(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Yield each chunk with False, then an empty chunk with True."""
    for chunk in chunks:
        yield chunk, False
    yield b"", True
