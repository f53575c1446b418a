"""Checks whether the bytes of a text are in the encoding that is used to decode them."""

import codecs
import itertools
import re
import shlex
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from charrnn.config.text import ResolvedTextConfig
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
_MAX_VERIFIED = 1 << 28  # bytes that are decoded to verify a guess; bounds the time
_MANY_UNKNOWN, _FEW_UNKNOWN = 0.5, 0.05  # fractions of the characters that are not ASCII
_MAX_INVALID = 1000  # places; a text with more of them is not called UTF-8
_UNUSED_CONTROLS = re.compile(r"[\x80-\x84\x86-\x9f]")
_NAMES_IN_ICONV = {
    **{f"utf-{bits}-{order}": f"utf-{bits}{order}" for bits in (16, 32) for order in ("le", "be")},
    **{"mac-roman": "macintosh", "latin-1": "latin1"},
}


class ByteSource(Protocol):
    """The bytes of a text, which can be read several times; `label` is its name in messages."""

    @property
    def label(self) -> str:
        """The name of the text."""

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes."""


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
        if guess and _fits(self._source, guess):
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
    if guess is None and _is_almost_utf_8(source):
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
    head = _read_start(source)
    for name in list_all(head):
        if codecs.lookup(name).name == config.codec or not _fits(source, name):
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
    head = _read_start(source)
    guess = guess_from_mark(head) or guess_wide(head) or guess_valid(head, config.codec)
    if guess and codecs.lookup(guess).name == config.codec:
        return None
    return guess if guess and _fits(source, guess) else None


def _guess_fitting(source: ByteSource, window: bytes, config: ResolvedTextConfig) -> str | None:
    """Return the most likely encoding that decodes the whole text; None if there is none."""
    head = _read_start(source)
    names = ["utf-8"] if config.codec != "utf-8" else []
    for name in itertools.chain(names, list_guesses(window)):
        codec = codecs.lookup(name).name
        if codec != config.codec and _fits(source, name) and guess_valid(head, codec) is None:
            return name
    return None


def _make_remedies(source: ByteSource, guess: str, siblings: Sequence[ByteSource]) -> list[str]:
    """Return the remedies for a text that is in the encoding `guess`."""
    size, is_cut_off = _decodable_size(source, guess) or (0, False)
    if is_cut_off:
        return [
            f"remove its last character, which is cut off, with {_head_command(source, size)}, "
            f"and read it with --encoding {guess}"
        ]
    codec = codecs.lookup(guess).name
    is_same_for_all = all(
        _fits(sibling, guess) and guess_valid(_read_start(sibling), codec) is None
        for sibling in siblings
        if sibling is not source
    )
    reading = [f"read it with --encoding {guess}"] if is_same_for_all else []
    if guess == "utf-8":
        return reading
    encoding = _NAMES_IN_ICONV.get(guess, guess)
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


def _read_start(source: ByteSource) -> bytes:
    head = bytearray()
    for chunk in source.chunks():
        head += chunk
        if len(head) >= _WINDOW:
            break
    return bytes(head[:_WINDOW])


def _fits(source: ByteSource, name: str) -> bool:
    return _decodable_size(source, name) is not None


def _decodable_size(source: ByteSource, name: str) -> tuple[int, bool] | None:
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


def _is_almost_utf_8(source: ByteSource) -> bool:
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
                lengths.append(error.end - error.start)
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


def _display_name(config: ResolvedTextConfig) -> str:
    return "UTF-8" if config.codec == "utf-8" else config.encoding
