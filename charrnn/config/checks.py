"""Values that settings take: read from text, and held to their range."""

import math
import re
from typing import Any

from charrnn.errors import ConfigError


def parse_duration(text: str) -> float:
    """Turn `90`, `90s`, `10m` or `1h30m` into seconds; raise `ConfigError` on anything else."""
    match = re.fullmatch(
        r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?", text.strip().replace(" ", "")
    )
    seconds = 0.0
    if match:
        hours, minutes, rest = match.groups(default="0")
        seconds = 3600.0 * int(hours) + 60.0 * int(minutes) + float(rest)
    if seconds <= 0:
        raise ConfigError(f"{text!r} is not a duration: write 90s, 10m or 1h30m, more than zero")
    return seconds


def parse_temperatures(text: str) -> float | tuple[float, ...]:
    """Turn `0.8` into a number and `0.5,0.8` into several; raise `ConfigError` on anything else."""
    try:
        numbers = tuple(float(each) for each in text.split(","))
    except ValueError:
        raise ConfigError(
            f"{text!r} is not a temperature: write a number such as 0.8, or several: 0.5,0.8,1.1"
        ) from None
    return numbers if len(numbers) > 1 else numbers[0]


def check_integer(name: str, value: Any, low: int, high: int, optional: bool = False) -> None:
    """Raise `ConfigError` unless `value` is a whole number from `low` to `high`."""
    if optional and value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigError(f"{name} must be a whole number from {low:,} to {high:,}, not {value!r}")


def check_number(name: str, value: Any, low: float, high: float, optional: bool = False) -> None:
    """Raise `ConfigError` unless `value` is a finite number from `low` to `high`."""
    if optional and value is None:
        return
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not low <= value <= high:
        raise ConfigError(f"{name} must be a number from {low:,} to {high:,}, not {value!r}")


def check_text(name: str, value: Any) -> None:
    """Raise `ConfigError` unless `value` is a text without NUL, of at most 64 KiB."""
    if not isinstance(value, str) or "\0" in value or len(value) > 1 << 16:
        raise ConfigError(f"{name} must be a text, not {str(value)[:80]!r}")


def check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    """Raise `ConfigError` unless `value` is one of `choices`."""
    if value not in choices:
        raise ConfigError(f"{name} must be one of {', '.join(choices)}, not {value!r}")
