"""Checks whether the bytes of a text are in the encoding that is used to decode them."""

import codecs
import itertools
import re
import shlex
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from charrnn.config.text import ResolvedTextConfig
from charrnn.data.byte_source import (
    ByteSource,
    decodable_size,
    fits,
    is_almost_utf_8,
    read_start,
)
from charrnn.data.encoding_guess import (
    guess_from_mark,
    guess_valid,
    guess_wide,
    list_all,
    list_guesses,
)
from charrnn.errors import CorpusError

_WINDOW = 1 << 16  # bytes from which an encoding is guessed
_GUESS_BYTES = 1 << 14  # bytes on each side of an invalid byte from which an encoding is guessed
_MANY_UNKNOWN, _FEW_UNKNOWN = 0.5, 0.05  # fractions of the characters that are not ASCII
_NAMES_IN_ICONV = {
    **{f"utf-{bits}-{order}": f"utf-{bits}{order}" for bits in (16, 32) for order in ("le", "be")},
    **{"mac-roman": "macintosh", "latin-1": "latin1", "iso2022-jp-ext": "iso-2022-jp-3"},
    **{f"iso2022-{end}": f"iso-2022-{end}" for end in ("jp", "kr", "jp-2")},
}


class InvalidByte(NamedTuple):
    """The first byte of a text that an encoding cannot decode."""

    offset: int
    value: int
    data: bytes
    """The bytes around it."""
    is_cut_off: bool
    """Whether the text ends within a character."""


class EncodingCheck:
    """Examines the first bytes of a text, and its first bytes that are not ASCII.

    `siblings` are the other documents that are decoded with the same encoding.
    """

    def __init__(
        self, source: ByteSource, config: ResolvedTextConfig, siblings: Sequence[ByteSource] = ()
    ) -> None:
        self._source, self._config, self._siblings = source, config, siblings
        self._window = bytearray()
        self._is_first = True
        self._is_complete = False

    def add(self, chunk: bytes, is_final: bool) -> None:
        """Examine the next chunk; raise `CorpusError` if the text is in another encoding."""
        while not self._is_complete:
            if not self._window and not self._is_first:
                other = None if chunk.isascii() else re.search(rb"[^\0-\x7f]", chunk)
                chunk = chunk[other.start() :] if other else b""
            added = chunk[: _WINDOW - len(self._window)]
            self._window += added
            chunk = chunk[len(added) :]
            if len(self._window) < _WINDOW and not is_final:
                return
            window = bytes(self._window)
            self._window.clear()
            self._examine(window)
            self._is_complete = not self._is_first or not window.isascii() or is_final
            self._is_first = False

    def _examine(self, window: bytes) -> None:
        guess = guess_valid(window, self._config.codec)
        if guess and fits(self._source, guess):
            raise CorpusError(
                f"{self._source.label} is not {_display_name(self._config)} text, it looks like "
                f"{guess}",
                *_make_remedies(self._source, guess, self._siblings),
            )


def make_decoding_error(
    source: ByteSource,
    config: ResolvedTextConfig,
    invalid: InvalidByte,
    siblings: Sequence[ByteSource] = (),
) -> CorpusError:
    """Return the error for the first invalid byte of a text, with the likely encoding."""
    name = _display_name(config)
    where = f"byte 0x{invalid.value:02x} at offset {invalid.offset:,} is not valid"
    guess = _guess_from_start(source, config)
    is_utf_8 = config.codec == "utf-8"
    if guess is None and invalid.is_cut_off:
        return CorpusError(
            f"{source.label} is {name} text except for its last character, which is cut off "
            f"({where})",
            f"remove it with {_head_command(source, invalid.offset)}",
            *_make_remedies_for_ascii(source, invalid, config, siblings),
        )
    if guess is None and is_almost_utf_8(source):
        return CorpusError(
            f"{source.label} is UTF-8 text except for a few bytes ({where})"
            if is_utf_8
            else f"{source.label} is not {name} text: {where}; it is UTF-8 text except for a few "
            "bytes",
            f"remove them with `iconv -c -f utf-8 -t utf-8{_redirect(source)}`",
        )
    guess = guess or _guess_fitting(source, invalid.data, config)
    if guess:
        return CorpusError(
            f"{source.label} is not {name} text: {where}; it looks like {guess}",
            *_make_remedies(source, guess, siblings),
        )
    return CorpusError(
        f"{source.label} is not {name} text: {where}; it does not look like text",
        "give a text file",
        "read it with --encoding NAME",
    )


def make_unreadable_error(
    source: ByteSource,
    config: ResolvedTextConfig,
    error: UnicodeError,
    siblings: Sequence[ByteSource] = (),
) -> CorpusError:
    """Return the error for a text that has no invalid byte, but cannot be decoded."""
    guess = _guess_from_start(source, config)
    looks = f"; it looks like {guess}" if guess else ""
    return CorpusError(
        f"{source.label} cannot be read as {config.encoding} ({error}){looks}",
        *(_make_remedies(source, guess, siblings) if guess else ["read it with --encoding NAME"]),
    )


def guess_known_encoding(
    source: ByteSource, text: str, known: Collection[str], config: ResolvedTextConfig
) -> str | None:
    """Return an encoding in which a text has few unknown characters, if it has many in `text`.

    Bytes that are valid UTF-8 are hardly ever in another encoding. `text` was decoded
    as `config` says; `known` are the characters of the vocabulary.
    """
    if config.codec == "utf-8" or _unknown_share(text, known) < _MANY_UNKNOWN:
        return None
    head = read_start(source, _WINDOW)
    for name in list_all(head):
        if codecs.lookup(name).name == config.codec or not fits(source, name):
            continue
        decoded = codecs.getincrementaldecoder(name)().decode(head)
        if config.newline == "lf":
            decoded = decoded.replace("\r", "")
        if _unknown_share(decoded, known) < _FEW_UNKNOWN:
            return name
    return None


def around(data: bytes, position: int) -> bytes:
    """Return the bytes around a position from which an encoding can be guessed."""
    return data[max(0, position - _GUESS_BYTES) : position + _GUESS_BYTES]


def _guess_from_start(source: ByteSource, config: ResolvedTextConfig) -> str | None:
    """Return the encoding of a text if its start makes it clear."""
    head = read_start(source, _WINDOW)
    guess = guess_from_mark(head) or guess_wide(head) or guess_valid(head, config.codec)
    if guess and codecs.lookup(guess).name == config.codec:
        return None
    return guess if guess and fits(source, guess) else None


def _guess_fitting(source: ByteSource, window: bytes, config: ResolvedTextConfig) -> str | None:
    """Return the most likely encoding that decodes the whole text; None if there is none."""
    head = read_start(source, _WINDOW)
    names = ["utf-8"] if config.codec != "utf-8" else []
    for name in itertools.chain(names, list_guesses(window)):
        codec = codecs.lookup(name).name
        if codec != config.codec and fits(source, name) and guess_valid(head, codec) is None:
            return name
    return None


def _make_remedies(source: ByteSource, guess: str, siblings: Sequence[ByteSource]) -> list[str]:
    """Return the remedies for a text that is in the encoding `guess`."""
    size, is_cut_off = decodable_size(source, guess) or (0, False)
    if is_cut_off:
        return [
            f"remove its last character, which is cut off, with {_head_command(source, size)}, "
            f"and read it with --encoding {guess}"
        ]
    codec = codecs.lookup(guess).name
    is_same_for_all = all(
        fits(sibling, guess) and guess_valid(read_start(sibling, _WINDOW), codec) is None
        for sibling in siblings
        if sibling is not source
    )
    reading = [f"read it with --encoding {guess}"] if is_same_for_all else []
    if guess == "utf-8":
        return reading or ["convert the other texts to UTF-8 too, and use --encoding utf-8"]
    encoding = _NAMES_IN_ICONV.get(guess, guess)
    if encoding == "hz":  # unknown to iconv
        return reading
    return [*reading, f"convert it with `iconv -f {encoding} -t utf-8{_redirect(source)}`"]


def _make_remedies_for_ascii(
    source: ByteSource,
    invalid: InvalidByte,
    config: ResolvedTextConfig,
    siblings: Sequence[ByteSource],
) -> list[str]:
    """Return more remedies if only the last byte of a text is not ASCII: any encoding may fit."""
    if config.codec != "utf-8" or not invalid.data[:-1].isascii():
        return []
    guess = _guess_fitting(source, invalid.data, config)
    return _make_remedies(source, guess, siblings)[:1] if guess else []


def _unknown_share(text: str, known: Collection[str]) -> float:
    """Return the fraction of unknown characters among those that are not ASCII."""
    other = [character for character in text if not character.isascii()]
    return sum(character not in known for character in other) / max(1, len(other))


def _head_command(source: ByteSource, size: int) -> str:
    return f"`head -c {size}{_redirect(source)}`"


def _redirect(source: ByteSource) -> str:
    """Return the rest of a command that reads a text and writes another file."""
    is_plain = Path(source.label).is_file() and not source.label.endswith(".gz")
    return f" {shlex.quote(source.label)} > NEW" if is_plain else ""


def _display_name(config: ResolvedTextConfig) -> str:
    return "UTF-8" if config.codec == "utf-8" else config.encoding
