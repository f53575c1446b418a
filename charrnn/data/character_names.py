"""Names of characters in messages, which a user recognizes."""

import unicodedata
from collections.abc import Iterable

_NAMES = {"\n": "line break", "\r": "carriage return", "\t": "tab", "\0": "NUL", "\\": "backslash"}
_MAX_LISTED = 8  # characters in a message


def name_character(character: str) -> str:
    """Return a name of a character that a user recognizes, such as `'e' (U+0065)`."""
    code = f"U+{ord(character):04X}"
    if name := _NAMES.get(character):
        return f"{name} ({code})"
    if "\udc80" <= character <= "\udcff":  # what Python makes of such a byte in an argument
        return f"byte 0x{ord(character) - 0xDC00:02x} (not a character in your locale)"
    is_visible = character.isprintable() and not character.isspace()
    if is_visible and not unicodedata.combining(character):
        return f"'{character}' ({code})" if character != "'" else f'"\'" ({code})'
    name = unicodedata.name(character, "").lower()
    return f"{name} ({code})" if name else code


def list_characters(characters: Iterable[str]) -> str:
    """Return the names of at most eight characters, and the number of the others."""
    names = [name_character(character) for character in characters]
    more = f" and {len(names) - _MAX_LISTED:,} more" if len(names) > _MAX_LISTED else ""
    return ", ".join(names[:_MAX_LISTED]) + more
