"""The range of a setting, and the check of its value against its annotation.

A field has the form `Annotated[type, Range(...), "help"]`. `CheckedFields` checks each field when
the dataclass is created. The error names the field and its range.
"""

import functools
import math
import re
import types
import typing
from dataclasses import dataclass
from typing import Any, Literal, Union

from charrnn.errors import ConfigError

MAX_SEED = 2**63 - 1


@dataclass(frozen=True)
class Range:
    """The smallest and the largest value of a number."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.low:,} to {self.high:,}"


UNLIMITED = Range(-math.inf, math.inf)


class CheckedFields:
    """Base of a dataclass: checks each field against its annotation; raises `ConfigError`.

    A subclass that narrows the type of a field need not repeat its range.
    """

    def __post_init__(self) -> None:
        cls: type = type(self)
        for name, (kind, limits) in field_checks(cls).items():
            check_value(name, getattr(self, name), kind, limits)


@functools.cache
def field_checks(cls: type) -> dict[str, tuple[Any, Range]]:
    """Return the type and the range of each annotated field of a class, by its name.

    The range is that of the most derived class that gives one.
    """
    ranges: dict[str, Range] = {}
    for base in cls.__mro__:
        for name, hint in typing.get_type_hints(base, include_extras=True).items():
            for detail in typing.get_args(hint)[1:]:
                if isinstance(detail, Range):
                    ranges.setdefault(name, detail)
    kinds = typing.get_type_hints(cls)
    return {name: (kind, ranges.get(name, UNLIMITED)) for name, kind in kinds.items()}


def check_value(name: str, value: Any, kind: Any, limits: Range = UNLIMITED) -> None:
    """Raise `ConfigError` unless `value` is of the type `kind`, and a number is within `limits`.

    `kind` is int, float, str or a Literal; `kind | None`; or `float | tuple[float, ...]`. Values of
    other types are not checked.
    """
    is_union = typing.get_origin(kind) in (Union, types.UnionType)
    members = typing.get_args(kind) if is_union else (kind,)
    if value is None and types.NoneType in members:
        return
    if isinstance(value, tuple) and tuple[float, ...] in members:
        for number in value:
            check_value(name, number, float, limits)
        return
    # A union of two other types is not supported: this line fails then.
    (first,) = (each for each in members if each not in (types.NoneType, tuple[float, ...]))
    if first is int:
        is_valid = _is_number(value, int) and limits.low <= value <= limits.high
        expected = f"a whole number from {limits}"
    elif first is float:
        is_valid = _is_number(value, (int, float)) and limits.low <= value <= limits.high
        expected = f"a number from {limits}"
    elif first is str:
        is_valid, expected, value = isinstance(value, str), "a text", str(value)[:80]
    elif typing.get_origin(first) is Literal:
        choices = typing.get_args(first)
        is_valid, expected = value in choices, f"one of {', '.join(choices)}"
    else:
        return
    if not is_valid:
        raise ConfigError(f"{name} must be {expected}, not {value!r}")


def _is_number(value: Any, kinds: type | tuple[type, ...]) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)


def check_text(name: str, value: Any) -> None:
    """Raise `ConfigError` unless `value` is a text without NUL, of at most 64 KiB."""
    if not isinstance(value, str) or "\0" in value or len(value) > 1 << 16:
        raise ConfigError(f"{name} must be a text, not {str(value)[:80]!r}")


def check_sha256(value: Any) -> None:
    """Raise `ConfigError` unless `value` is a SHA-256 in hexadecimal digits."""
    check_text("sha256", value)
    if not re.fullmatch(r"[0-9a-f]{64}", value):
        raise ConfigError(f"sha256 must be 64 hexadecimal digits, not {value[:80]!r}")
