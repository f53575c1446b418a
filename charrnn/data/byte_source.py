"""The bytes of a text, and whether an encoding can decode all of them."""

import codecs
import re
from collections.abc import Iterator
from typing import Protocol

_MAX_VERIFIED = 1 << 28  # bytes that are decoded to verify a guess; bounds the time
_MAX_INVALID = 1000  # places; a text with more of them is not called UTF-8
_SURROGATE = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")  # half a character of UTF-16, as UTF-8
_UNUSED_CONTROLS = re.compile(r"[\x80-\x84\x86-\x9f]")


class ByteSource(Protocol):
    """The bytes of a text, which can be read several times; `label` is its name in messages."""

    @property
    def label(self) -> str:
        """The name of the text."""

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes."""


def read_start(source: ByteSource, size: int) -> bytes:
    """Return the first `size` bytes of a text."""
    head = bytearray()
    for chunk in source.chunks():
        head += chunk
        if len(head) >= size:
            break
    return bytes(head[:size])


def fits(source: ByteSource, name: str) -> bool:
    """Return whether an encoding can decode a text; the last character may be cut off."""
    return decodable_size(source, name) is not None


def decodable_size(source: ByteSource, name: str) -> tuple[int, bool] | None:
    """Return the size of the complete characters of a text, and whether the last one is cut off.

    Returns None if the encoding cannot decode the text, or gives control characters that texts do
    not contain. Bytes after the first 256 MiB are not decoded.
    """
    decoder, size = codecs.getincrementaldecoder(name)(), 0
    for chunk in source.chunks():
        try:
            text = decoder.decode(chunk)
        except UnicodeError:
            return None
        if name != "utf-8" and _UNUSED_CONTROLS.search(text):
            return None
        size += len(chunk)
        if size >= _MAX_VERIFIED:
            return size, False
    remainder = len(decoder.getstate()[0])
    return size - remainder, remainder > 0


def is_almost_utf_8(source: ByteSource) -> bool:
    """Return whether a text has at least as many characters that are not ASCII as invalid places.

    If it has none, each invalid place must be the start of a character, of two bytes or more.
    """
    num_other, lengths, size, rest = 0, list[int](), 0, b""
    for chunk in source.chunks():
        data, first = rest + chunk, 0
        while True:
            try:
                text, used = codecs.utf_8_decode(data[first:], "strict", False)
            except UnicodeDecodeError as error:
                text, used = data[first : first + error.start].decode(), error.end
                if surrogate := _SURROGATE.match(data, first + error.start):
                    used = surrogate.end() - first
                lengths.append(used - error.start)
                if len(lengths) > _MAX_INVALID:
                    return False
                num_other += len(text) - len(text.encode("ascii", "ignore"))
                first += used
            else:
                num_other += len(text) - len(text.encode("ascii", "ignore"))
                rest = data[first + used :]
                break
        size += len(chunk)
        if size >= _MAX_VERIFIED:
            break
    if rest:
        lengths.append(len(rest))
    return num_other >= len(lengths) if num_other else min(lengths, default=0) > 1
