"""Strict decoding of bytes to text; errors give the offset of the first invalid byte."""

import codecs
import io
import sys
from collections.abc import Iterable, Iterator

from charrnn.config.text import DEFAULT_TEXT_CONFIG, TextConfig
from charrnn.data.document import Document
from charrnn.data.formats import refuse_format
from charrnn.data.sources import Source
from charrnn.data.web_address import refuse_web_address
from charrnn.errors import CorpusError
from charrnn.files import expand_path

_BYTE_ORDER_MARK = "\ufeff"
_BYTE_ORDER_MARKS = {  # UTF-32 first: its mark starts with the mark of UTF-16
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_COMMON_ENCODINGS = (  # the first of equally good guesses is chosen
    *("cp1252", "gb18030", "big5", "shift_jis", "euc_jp", "euc_kr", "cp1251", "koi8_r", "cp1250"),
    *("cp1253", "cp1254", "cp1255", "cp1256", "cp437", "cp850", "cp866", "mac_roman", "latin_1"),
)
_GUESS_BYTES = 16_384  # bytes on each side of an invalid byte that are used to guess the encoding


def decode_chunks(
    chunks: Iterable[bytes],
    label: str,
    config: TextConfig = DEFAULT_TEXT_CONFIG,
    advice: str = "read it with --encoding {}",
) -> Iterator[str]:
    """Decode chunks of bytes, which may be split at any byte; yield pieces of text.

    A byte order mark at the start is removed; line ends are converted as `config` requires. Raises
    `CorpusError`: its message calls the text `label`, and contains `advice` with the name of the
    likely encoding in place of {}.
    """
    decoder = codecs.getincrementaldecoder(config.encoding)()
    newlines = (
        io.IncrementalNewlineDecoder(None, translate=True) if config.newline == "lf" else None
    )
    num_bytes, is_start = 0, True
    for chunk, is_final in _mark_end(chunks):
        if not num_bytes:
            refuse_format(chunk, label)
        try:
            text = decoder.decode(chunk, is_final)
        except UnicodeDecodeError as error:
            # The bytes of the error start with the incomplete character of earlier chunks.
            first_offset = num_bytes + len(chunk) - len(error.object)
            raise _decoding_error(error, first_offset, label, config.encoding, advice) from None
        except UnicodeError as error:
            raise CorpusError(
                f"{label} cannot be read as {config.encoding} ({error})", advice.format("NAME")
            ) from None
        num_bytes += len(chunk)
        if is_start and text:
            is_start, text = False, text.removeprefix(_BYTE_ORDER_MARK)
        if newlines:
            text = newlines.decode(text, is_final)
        if text:
            yield text


def guess_encoding(data: bytes) -> str | None:
    """Return the most likely encoding of a text; None if the bytes do not look like text."""
    for mark, name in _BYTE_ORDER_MARKS.items():
        if data.startswith(mark):
            return name
    if b"\0" in data:
        return None
    from charset_normalizer import from_bytes

    guesses = [
        (match.chaos, -match.coherence, _COMMON_ENCODINGS.index(name))
        for match in from_bytes(data, cp_isolation=list(_COMMON_ENCODINGS))
        for name in match.could_be_from_charset  # the encodings that give the same text
        if name in _COMMON_ENCODINGS
    ]
    return _COMMON_ENCODINGS[min(guesses)[2]].replace("_", "-") if guesses else None


def _mark_end(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Yield each chunk with False, then an empty chunk with True."""
    for chunk in chunks:
        yield chunk, False
    yield b"", True


def _decoding_error(
    error: UnicodeDecodeError, first_offset: int, label: str, encoding: str, advice: str
) -> CorpusError:
    """Return the error for an invalid byte; `error.object` starts at `first_offset`."""
    data, position = error.object, error.start
    name = "UTF-8" if codecs.lookup(encoding).name == "utf-8" else encoding
    guess = guess_encoding(data[max(0, position - _GUESS_BYTES) : position + _GUESS_BYTES])
    if guess and codecs.lookup(guess).name == codecs.lookup(encoding).name:
        guess = None
    hint = f"it looks like {guess}" if guess else "it does not look like text"
    return CorpusError(
        f"{label} is not {name} text: byte 0x{data[position]:02x} at offset "
        f"{first_offset + position:,} is not valid; {hint}",
        *([] if guess else ["give a text file"]),
        advice.format(guess or "NAME"),
    )


def read_text(source: Source) -> str:
    """Return the text of a UTF-8 file, or of standard input (`-`); raise `CorpusError`."""
    if str(source) == "-":
        label, chunks = "standard input", iter([sys.stdin.buffer.read()])
    else:
        path = expand_path(source)
        if path.is_dir():
            raise CorpusError(f"{path} is a folder", "give the path of one text file in it")
        if not path.exists():
            refuse_web_address(source)
        label, chunks = str(source), Document(path, str(source)).chunks()
    return "".join(
        decode_chunks(chunks, label, DEFAULT_TEXT_CONFIG, "convert it from {} to UTF-8 first")
    )
