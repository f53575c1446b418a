"""Formatting for people: text that is safe on a terminal, losses, durations, networks."""

import re
import unicodedata

from rich import filesize
from rich.cells import cell_len

from charrnn.config.counts import format_count
from charrnn.numerics.information import nats_to_bits

_BIDIRECTIONAL = {0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)}

# Stand-ins for the symbols of charts, bars, tables and messages, in any encoding.
_ASCII_STAND_INS = {
    **dict.fromkeys("─━–—", "-"),
    **dict.fromkeys("│┃", "|"),
    **dict.fromkeys("└┘┌┐├┤┬┴┼╭╮╰╯", "+"),
    **dict.fromkeys("“”", '"'),
    **dict.fromkeys("‘’", "'"),
    **dict(zip("↵→×…", "$>x.", strict=True)),
    **{chr(0x2800 + dots): ".:*"[min(dots.bit_count(), 3) - 1] for dots in range(1, 256)},
}


def make_printable(text: str) -> str:
    """Return the text with control characters replaced by symbols, safe to show on a terminal.

    Bidirectional overrides are replaced too. Line breaks and tabs do not change.
    """
    return "".join(_replace_control_character(character) for character in text)


def make_encodable(text: str, encoding: str | None) -> str:
    """Return the text with characters that an encoding lacks replaced, each in the same width.

    Symbols of charts are replaced by ASCII characters that look alike, all others by `?`.
    """
    if can_encode(text, encoding):
        return text
    return "".join(
        character
        if can_encode(character, encoding)
        else _ASCII_STAND_INS.get(character) or "?" * max(1, cell_len(character))
        for character in text
    )


def escape_unencodable(text: str, encoding: str | None) -> str:
    """Return the text with characters that an encoding lacks as escapes, as in Python."""
    if can_encode(text, encoding):
        return text
    return "".join(
        character
        if can_encode(character, encoding) or character in _ASCII_STAND_INS
        else character.encode("ascii", "backslashreplace").decode("ascii")
        for character in text
    )


def can_encode(text: str, encoding: str | None) -> bool:
    """Return whether an encoding has all characters of a text."""
    try:
        text.encode(encoding or "utf-8")
    except UnicodeError:
        return False
    return True


def encode_exactly(text: str) -> bytes:
    """Return the text as UTF-8, also if it contains names of files that are not UTF-8.

    Surrogates that stand for no byte of such a name become U+FFFD.
    """
    text = re.sub("[\ud800-\udc7f\udd00-\udfff]", "\ufffd", text)
    return text.encode("utf-8", "surrogateescape")


def format_loss(loss: float) -> str:
    """Return a loss, given in nats, in nats and in bits."""
    return f"{loss:z.4f} nats = {nats_to_bits(loss):z.4f} bits"


def format_duration(seconds: float) -> str:
    """Return a time in seconds as `42s`, `5m 12s` or `2h 03m`."""
    rounded = round(seconds)
    if rounded < 60:
        return f"{rounded}s"
    if rounded < 3600:
        return f"{rounded // 60}m {rounded % 60:02d}s"
    return f"{rounded // 3600}h {rounded % 3600 // 60:02d}m"


def format_bytes(number: int) -> str:
    """Return a size such as `21.8 MB`."""
    return filesize.decimal(number)


def format_code_block(text: str) -> str:
    """Return a text as a block of code in Markdown, whatever it contains."""
    return "\n".join(f"    {line}" for line in text.split("\n"))


def format_network(num_layers: int, hidden_size: int, cell: str) -> str:
    """Return the shape of a network as `3 layers of 512 lstm units`."""
    return f"{format_count(num_layers, 'layer')} of {format_count(hidden_size, f'{cell} unit')}"


def _replace_control_character(character: str) -> str:
    code = ord(character)
    if character in "\n\t" or (
        unicodedata.category(character) not in ("Cc", "Cs") and code not in _BIDIRECTIONAL
    ):
        return character
    if code < 0x20:
        return chr(0x2400 + code)  # the Unicode picture of this control character
    return "\u2421" if code == 0x7F else "\ufffd"
