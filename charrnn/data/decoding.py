"""From bytes to characters: strictly, with the place of the first byte that does not belong."""

import codecs
import io
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from charrnn.config.text import DEFAULT_TEXT_CONFIG, TextConfig
from charrnn.data.sources import Document, Source
from charrnn.errors import CorpusError

_BYTE_ORDER_MARK = "\ufeff"
_MARKS = {  # the longer ones first: UTF-32's begins with UTF-16's
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_USUAL = (  # what texts are found in, of equally good guesses the first
    *("cp1252", "gb18030", "big5", "shift_jis", "euc_jp", "euc_kr", "cp1251", "koi8_r", "cp1250"),
    *("cp1253", "cp1254", "cp1255", "cp1256", "cp437", "cp850", "cp866", "mac_roman", "latin_1"),
)
_LOOKED_AT = 16_384  # bytes on each side of a bad one that a suggestion is made from


def decode_chunks(
    chunks: Iterable[bytes],
    where: str,
    config: TextConfig = DEFAULT_TEXT_CONFIG,
    remedy: str = "read it with --encoding {}",
) -> Iterator[str]:
    """Yield the text of bytes that come in chunks, cut anywhere; raise `CorpusError`.

    A byte order mark is left out; line ends are kept or made LF as `config` says. `where` names the
    text in errors, `remedy` says what to do where the encoding looks like {}.
    """
    decoder = codecs.getincrementaldecoder(config.encoding)()
    lines = io.IncrementalNewlineDecoder(None, translate=True) if config.newline == "lf" else None
    fed, begun = 0, False
    for chunk, final in _and_the_end(chunks):
        try:
            text = decoder.decode(chunk, final)
        except UnicodeDecodeError as error:
            # What is decoded begins with the bytes left over from earlier chunks.
            first = fed + len(chunk) - len(error.object)
            raise _not_text(error, first, where, config.encoding, remedy) from None
        except UnicodeError as error:
            raise CorpusError(
                f"{where} cannot be read as {config.encoding} ({error}): {remedy.format('NAME')}"
            ) from None
        fed += len(chunk)
        if not begun and text:
            begun, text = True, text.removeprefix(_BYTE_ORDER_MARK)
        if lines:
            text = lines.decode(text, final)
        if text:
            yield text


def guess_encoding(data: bytes) -> str | None:
    """Return the encoding that bytes are most likely text in, None where they look like none."""
    for mark, name in _MARKS.items():
        if data.startswith(mark):
            return name
    if b"\0" in data:
        return None
    from charset_normalizer import from_bytes

    guesses = [
        (each.chaos, -each.coherence, _USUAL.index(name))
        for each in from_bytes(data, cp_isolation=list(_USUAL))
        for name in each.could_be_from_charset  # those in which these bytes say the same
        if name in _USUAL
    ]
    return _USUAL[min(guesses)[2]].replace("_", "-") if guesses else None


def _and_the_end(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    for chunk in chunks:
        yield chunk, False
    yield b"", True


def _not_text(
    error: UnicodeDecodeError, first: int, where: str, encoding: str, remedy: str
) -> CorpusError:
    data, place = error.object, error.start
    label = "UTF-8" if codecs.lookup(encoding).name == "utf-8" else encoding
    near = data[max(0, place - _LOOKED_AT) : place + _LOOKED_AT]
    guess = guess_encoding(near)
    if guess and codecs.lookup(guess).name == codecs.lookup(encoding).name:
        guess = None
    if guess:
        advice = f"it looks like {guess}: {remedy.format(guess)}"
    else:
        advice = "it looks like no text at all: give a text file, or " + remedy.format("NAME")
    return CorpusError(
        f"{where} is not {label} text: byte 0x{data[place]:02x} at offset {first + place:,} does "
        f"not belong there; {advice}"
    )


def read_text(source: Source) -> str:
    """Return the text of a UTF-8 file, or of standard input (`-`); raise `CorpusError`."""
    path = Path(source)
    if str(source) == "-":
        where, chunks = "standard input", iter([sys.stdin.buffer.read()])
    elif path.is_dir():
        raise CorpusError(f"{path} is a folder: give the path of one text file in it")
    else:
        where, chunks = str(source), Document(path, str(source)).chunks()
    return "".join(
        decode_chunks(chunks, where, DEFAULT_TEXT_CONFIG, "convert it from {} to UTF-8 first")
    )
