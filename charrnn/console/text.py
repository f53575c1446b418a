"""Text that a terminal can safely show; losses and durations as a person reads them."""

import unicodedata

from charrnn.numerics.information import nats_to_bits

_BIDIRECTIONAL = {0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)}


def printable(text: str) -> str:
    """Return the text as a terminal can safely show it.

    Control characters and bidirectional overrides, which could drive the terminal, are shown as
    symbols; line breaks and tabs stay.
    """
    return "".join(_symbol(character) for character in text)


def nats(loss: float) -> str:
    """Return a loss in both units, as a person reads it."""
    return f"{loss:.4f} nats = {nats_to_bits(loss):.4f} bits"


def duration(seconds: float) -> str:
    """Return seconds as `42s`, `5m 12s` or `2h 03m`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02d}m"


def _symbol(character: str) -> str:
    code = ord(character)
    if character in "\n\t" or (
        unicodedata.category(character) not in ("Cc", "Cs") and code not in _BIDIRECTIONAL
    ):
        return character
    if code < 0x20:
        return chr(0x2400 + code)  # the Unicode picture of this control character
    return "\u2421" if code == 0x7F else "\ufffd"
