"""Guess the encoding of a text from its bytes."""

import codecs
import re
import sys
import unicodedata
from collections.abc import Iterator

_BYTE_ORDER_MARKS = {  # UTF-32 first: its mark starts with the mark of UTF-16
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_WIDE_ENCODINGS = {"utf-32-le": 4, "utf-32-be": 4, "utf-16-le": 2, "utf-16-be": 2}  # unit in bytes
_COMMON_ENCODINGS = (  # the first of equally good guesses is chosen
    *("cp1252", "gb18030", "big5", "shift_jis", "euc_jp", "euc_kr", "cp1251", "koi8_r", "cp1250"),
    *("cp1253", "cp1254", "cp1255", "cp1256", "cp437", "cp850", "cp866", "mac_roman", "latin_1"),
)
_ESCAPE_ENCODINGS = ("iso2022_jp", "iso2022_kr", "iso2022_jp_2", "iso2022_jp_ext")
_HZ_TEXT = re.compile(rb"~\{(?:[\x21-\x77][\x21-\x7e])+~\}")
_UTF_7_TEXT = re.compile(rb"\+[A-Za-z0-9+/]{2,}")
_GB_TEXT = re.compile(rb"[\x81-\xfe][0-9][\x81-\xfe][0-9]")  # characters of four bytes
_UTF_8_CODECS = {"utf-8", "utf-8-sig"}
_SINGLE_BYTE = re.compile(r"cp125|cp[48]|iso8859|koi8|mac|ascii")
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1b\x1c"))
_MIN_CONTROLS = 0.03  # fraction of the bytes of UTF-16 text: the high bytes of an alphabet, and NUL
_MAX_IMPLAUSIBLE = 0.01  # fraction of the characters of a text
_MIN_RARE_CONTROLS = 60  # bytes of UTF-16 text that has few control characters
_MIN_WIDE_BYTES = 8  # fewer bytes can be read as almost any encoding
_MIN_CHARACTERS = 3  # in an encoding with escapes, or of several bytes that are also UTF-8


def guess_from_mark(data: bytes) -> str | None:
    """Return the encoding that a byte order mark at the start of a text says; None without one."""
    return next(
        (name for mark, name in _BYTE_ORDER_MARKS.items() if data.startswith(mark)),
        None,
    )


def guess_wide(data: bytes) -> str | None:
    """Return the encoding of UTF-16 or UTF-32 text without a byte order mark; None for others.

    In such a text, one byte of each unit takes few values, and many of them are NUL or other
    control characters. The other byte order gives more different high bytes. Bytes that are also
    valid UTF-8 may be a text with NUL characters, so the difference must be clear.
    """
    num_controls = len(data) - len(data.translate(None, _CONTROLS))
    if num_controls < _MIN_CONTROLS * len(data):
        return None
    return _compare_wide(data)


def _compare_wide(data: bytes) -> str | None:
    """Return the UTF-16 or UTF-32 encoding whose high bytes take few values; None if none fits."""
    if len(data) < _MIN_WIDE_BYTES:
        return None
    spreads = {
        name: len(set(_high_bytes(data, name)))
        for name in _WIDE_ENCODINGS
        if _is_plausible(_decode_start(data, name))
    }
    name = min(spreads, key=spreads.__getitem__, default=None)
    if name is None:
        return None
    unit = _WIDE_ENCODINGS[name]
    low_bytes = data[0 if name.endswith("le") else unit - 1 :: unit]
    factor = 1 if _decode_start(data, "utf-8") is None else 2
    return name if factor * spreads[name] <= len(set(low_bytes)) else None


def guess_valid(data: bytes, codec: str) -> str | None:
    """Return the encoding of the start of a text that `codec` wrongly decodes; None if it may fit.

    `codec` is the name that Python uses for an encoding.
    """
    if codec in _UTF_8_CODECS | {"ascii"} and (escapes := _guess_escapes(data)):
        return escapes
    is_wide = codec.startswith(("utf-16", "utf-32"))
    mark = guess_from_mark(data)
    if mark and not (is_wide and codec.startswith(mark)):
        return mark
    wide = None if mark else guess_wide(data)
    if wide and wide != _with_byte_order(codec):
        return wide
    if is_wide:
        is_narrow = not wide and len(data) >= _MIN_WIDE_BYTES and not set(_CONTROLS) & set(data)
        return "utf-8" if is_narrow and _decode_start(data, "utf-8") else None
    if codec not in _UTF_8_CODECS:
        text = _decode_start(data, "utf-8") or ""
        needed = 1 if _SINGLE_BYTE.match(codec) else _MIN_CHARACTERS
        if _count_non_ascii(text) >= needed:
            return "utf-8"
    return None


def list_guesses(data: bytes) -> Iterator[str]:
    """Yield the likely encodings of a text that is not UTF-8, the most likely one first."""
    if mark := guess_from_mark(data):
        yield mark
        return
    if wide := guess_wide(data):
        yield wide
    other = None if wide or len(data) < _MIN_RARE_CONTROLS else _compare_wide(data)
    if b"\0" in data:
        if other:
            yield other
        return
    if len(_GB_TEXT.findall(data)) >= _MIN_CHARACTERS and _decode_start(data, "gb18030"):
        yield "gb18030"
    from charset_normalizer import from_bytes

    guesses = [
        (match.chaos, -match.coherence, _COMMON_ENCODINGS.index(name))
        for match in from_bytes(data, cp_isolation=list(_COMMON_ENCODINGS))
        for name in match.could_be_from_charset  # the encodings that give the same text
        if name in _COMMON_ENCODINGS
    ]
    for guess in sorted(guesses):
        yield _COMMON_ENCODINGS[guess[2]].replace("_", "-")
    if other:  # a text without line breaks and spaces
        yield other


def list_all(data: bytes) -> list[str]:
    """Return all encodings that a text may have, the likely ones first."""
    others = ("utf-8", *(name.replace("_", "-") for name in _COMMON_ENCODINGS))
    return list(dict.fromkeys([*list_guesses(data), *others]))


def _guess_escapes(data: bytes) -> str | None:
    """Return the encoding of a text that consists of ASCII bytes with escape sequences."""
    if not data.isascii():
        return None
    if b"\x1b$" in data:
        for name in _ESCAPE_ENCODINGS:
            if _count_non_ascii(_decode_start(data, name) or "") >= _MIN_CHARACTERS:
                return name.replace("_", "-")
    if _HZ_TEXT.search(data):
        text = _decode_start(data, "hz") or ""
        if 10 * _count_non_ascii(text) >= max(10 * _MIN_CHARACTERS, len(text)):
            return "hz"
    return "utf-7" if _is_utf_7(data) else None


def _is_utf_7(data: bytes) -> bool:
    """Return whether all that looks like UTF-7 in ASCII bytes gives letters and punctuation."""
    runs = _UTF_7_TEXT.findall(data)
    if not runs:
        return False
    text = _decode_start(data, "utf-7") or ""
    other = [char for char in text if not char.isascii()]
    is_language = all(
        unicodedata.category(char)[0] in "LMPSZ" or char == "\u200d" for char in other
    )
    is_frequent = len(runs) >= _MIN_CHARACTERS or 5 * len(other) >= len(text)
    return is_language and is_frequent and len(other) >= _MIN_CHARACTERS


def _decode_start(data: bytes, name: str) -> str | None:
    """Decode the start of a text, whose last character may be cut off; None if it is invalid."""
    try:
        return codecs.getincrementaldecoder(name)().decode(data)
    except UnicodeError:
        return None


def _is_plausible(text: str | None) -> bool:
    """Return whether a text has almost only assigned characters that are not control characters."""
    if not text:
        return False
    implausible = sum(
        unicodedata.category(character) in ("Cc", "Cn", "Co", "Cs")
        for character in text.translate(dict.fromkeys(b"\t\n\x0c\r\x1c"))
    )
    return implausible <= _MAX_IMPLAUSIBLE * len(text)


def _high_bytes(data: bytes, name: str) -> bytes:
    """Return the second lowest byte of each unit."""
    unit = _WIDE_ENCODINGS[name]
    return data[1 if name.endswith("le") else unit - 2 :: unit]


def _with_byte_order(codec: str) -> str:
    """Return the codec that Python uses if UTF-16 or UTF-32 text has no byte order mark."""
    return f"{codec}-{sys.byteorder[0]}e" if codec in ("utf-16", "utf-32") else codec


def _count_non_ascii(text: str) -> int:
    return len(text) - len(text.encode("ascii", "ignore"))
