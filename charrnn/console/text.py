"""Formatting for people: text that is safe on a terminal, losses, durations, networks."""

import unicodedata

from charrnn.numerics.information import nats_to_bits

_BIDIRECTIONAL = {0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)}


def make_printable(text: str) -> str:
    """Return the text with control characters replaced by symbols, safe to show on a terminal.

    Bidirectional overrides are replaced too. Line breaks and tabs do not change.
    """
    return "".join(_replace_control_character(character) for character in text)


def format_loss(loss: float) -> str:
    """Return a loss, given in nats, in nats and in bits."""
    return f"{loss:.4f} nats = {nats_to_bits(loss):.4f} bits"


def format_duration(seconds: float) -> str:
    """Return a time in seconds as `42s`, `5m 12s` or `2h 03m`."""
    rounded = round(seconds)
    if rounded < 60:
        return f"{rounded}s"
    if rounded < 3600:
        return f"{rounded // 60}m {rounded % 60:02d}s"
    return f"{rounded // 3600}h {rounded % 3600 // 60:02d}m"


def format_network(num_layers: int, hidden_size: int, cell: str) -> str:
    """Return the shape of a network as `3 layers of 512 lstm units`."""
    layers = "1 layer" if num_layers == 1 else f"{num_layers} layers"
    return f"{layers} of {hidden_size} {cell} units"


def _replace_control_character(character: str) -> str:
    code = ord(character)
    if character in "\n\t" or (
        unicodedata.category(character) not in ("Cc", "Cs") and code not in _BIDIRECTIONAL
    ):
        return character
    if code < 0x20:
        return chr(0x2400 + code)  # the Unicode picture of this control character
    return "\u2421" if code == 0x7F else "\ufffd"
