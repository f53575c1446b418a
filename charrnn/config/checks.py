"""Checks of a setting's value: each raises `ConfigError`, which names the setting and its range."""

import math
import re
from typing import Any

from charrnn.errors import ConfigError

MAX_SEED = 2**63 - 1


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


def check_sha256(value: Any) -> None:
    """Raise `ConfigError` unless `value` is a SHA-256 in hexadecimal digits."""
    check_text("sha256", value)
    if not re.fullmatch(r"[0-9a-f]{64}", value):
        raise ConfigError(f"sha256 must be 64 hexadecimal digits, not {value[:80]!r}")
