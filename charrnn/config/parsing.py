"""Parsing of values that users type."""

import re

from charrnn.errors import ConfigError


def parse_duration(text: str) -> float:
    """Turn `90`, `90s`, `10m` or `1h30m` into seconds; raise `ConfigError` otherwise."""
    match = re.fullmatch(
        r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?", text.strip().replace(" ", "")
    )
    seconds = 0.0
    if match:
        hours, minutes, rest = match.groups(default="0")
        seconds = 3600.0 * int(hours) + 60.0 * int(minutes) + float(rest)
    if seconds <= 0:
        raise ConfigError(f"{text!r} is not a duration", "write 90s, 10m or 1h30m, more than zero")
    return seconds


def parse_temperatures(text: str) -> float | tuple[float, ...]:
    """Turn `0.8` into a number and `0.5,0.8` into a tuple; raise `ConfigError` otherwise."""
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(
            f"{text!r} is not a temperature", "write a number such as 0.8, or several: 0.5,0.8,1.1"
        ) from None
    return numbers if len(numbers) > 1 else numbers[0]
