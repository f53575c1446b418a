"""Parsing of values that users type."""

import itertools
import re

from charrnn.errors import ConfigError


def parse_duration(text: str) -> float:
    """Turn `90`, `90s`, `10m` or `1h30m` into seconds; raise `ConfigError` otherwise."""
    number = r"(\d+(?:\.\d+)?)"
    match = re.fullmatch(
        rf"{number}|(?:(\d+)h)?(?:(\d+)m)?(?:{number}s)?", text.strip().replace(" ", "")
    )
    seconds = 0.0
    if match:
        alone, hours, minutes, rest = match.groups(default="0")
        seconds = float(alone) + 3600.0 * int(hours) + 60.0 * int(minutes) + float(rest)
    if seconds <= 0:
        raise ConfigError(f"{text!r} is not a duration", "write 90s, 10m or 1h30m, more than zero")
    return seconds


_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "\\": "\\", "'": "'", '"': '"'}
_ESCAPE_LENGTHS = {"x": 3, "u": 5, "U": 9}  # with the letter
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{,2}|u[0-9a-fA-F]{,4}|U[0-9a-fA-F]{,8}|.?)", re.DOTALL)


def parse_escapes(text: str) -> str:
    r"""Replace `\n`, `\t`, `\r`, `\f`, `\\`, `\'`, `\"`, `\x1c`, `\u2026` and `\U0001f600`.

    The number of a hexadecimal escape is a code point. Raises `ConfigError` for all other escapes.
    """
    return _ESCAPE.sub(_parse_escape, text)


def _parse_escape(match: re.Match[str]) -> str:
    escape = match[1]
    if escape in _ESCAPED:
        return _ESCAPED[escape]
    is_complete = len(escape) > 1 and len(escape) == _ESCAPE_LENGTHS[escape[0]]
    code = int(escape[1:], 16) if is_complete else -1
    if not 0 <= code < 0x110000 or 0xD800 <= code < 0xE000:
        shown = match[0] if escape.strip("\r\n") else "\\ at the end of a line"
        raise ConfigError(
            f"{shown} is not an escape that charrnn knows: write one of \\n, \\t, \\r, "
            "\\f, \\x1c, \\u2026 and \\U0001f600 (with 2, 4 and 8 hexadecimal digits), or \\\\ for "
            "a backslash"
        )
    return chr(code)


def parse_temperatures(text: str) -> float | tuple[float, ...]:
    """Turn `0.8` into a number and `0.5,0.8` into a tuple; raise `ConfigError` otherwise."""
    parts = [part.strip() for part in text.split(",")]
    for whole, decimals in itertools.pairwise(parts):
        if whole == "0" and re.fullmatch(r"[3-9]|[0-9]{2,}", decimals):
            raise ConfigError(
                f"{text!r} is not a list of temperatures: write 0.{decimals} with a point, or "
                f"0,{decimals}.0 for the two temperatures 0 and {decimals}"
            )
    try:
        numbers = tuple(float(part) for part in parts)
    except ValueError:
        raise ConfigError(
            f"{text!r} is not a temperature", "write a number such as 0.8, or several: 0.5,0.8,1.1"
        ) from None
    return numbers if len(numbers) > 1 else numbers[0]
