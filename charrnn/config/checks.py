"""Checks of the values of settings against their annotations.

A field has the form `Annotated[type, Range(...), "help"]`. `CheckedFields` checks each field when
an instance is created. The error names the field and its range.
"""

import dataclasses
import functools
import math
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union

from charrnn.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

MAX_SEED = 2**63 - 1

_Record = TypeVar("_Record", bound="DataclassInstance")


@dataclass(frozen=True)
class Range:
    """The smallest and the largest value that a number may have."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"{_format_bound(self.low)} to {_format_bound(self.high)}"


def _format_bound(value: float) -> str:
    return f"{int(value) if float(value).is_integer() else value:,}"


UNLIMITED = Range(-math.inf, math.inf)


class CheckedFields:
    """Base class of dataclasses: checks each field against its annotation.

    Raises `ConfigError`. A subclass that narrows the type of a field does not need to repeat its
    range.
    """

    def __post_init__(self) -> None:
        cls: type = type(self)
        for name, (expected_type, value_range) in field_checks(cls).items():
            check_value(name, getattr(self, name), expected_type, value_range)


@functools.cache
def field_checks(cls: type) -> dict[str, tuple[Any, Range]]:
    """Return the type and the range of each annotated field of a class, by field name.

    If several classes of the hierarchy give a range, the most derived one takes precedence.
    """
    ranges: dict[str, Range] = {}
    for base in cls.__mro__:
        for name, hint in typing.get_type_hints(base, include_extras=True).items():
            for detail in typing.get_args(hint)[1:]:
                if isinstance(detail, Range):
                    ranges.setdefault(name, detail)
    hints = typing.get_type_hints(cls)
    return {name: (hint, ranges.get(name, UNLIMITED)) for name, hint in hints.items()}


def check_value(name: str, value: Any, expected_type: Any, value_range: Range = UNLIMITED) -> None:
    """Raise `ConfigError` if `value` has another type, or is a number outside `value_range`.

    `expected_type` is int, float, bool, str or a Literal; one of these `| None`; or
    `float | tuple[float, ...]`. Other types are not checked. `name` is the setting in the message.
    """
    is_union = typing.get_origin(expected_type) in (Union, types.UnionType)
    members = typing.get_args(expected_type) if is_union else (expected_type,)
    if value is None and types.NoneType in members:
        return
    if isinstance(value, tuple) and tuple[float, ...] in members:
        for number in value:
            check_value(name, number, float, value_range)
        return
    # This line fails for a union of two other types, which is not supported.
    (base_type,) = (
        member for member in members if member not in (types.NoneType, tuple[float, ...])
    )
    if base_type is int:
        is_valid = _is_number(value, int) and value_range.low <= value <= value_range.high
        expected = f"a whole number from {value_range}"
    elif base_type is float:
        is_valid = _is_number(value, (int, float)) and value_range.low <= value <= value_range.high
        expected = f"a number from {value_range}"
    elif base_type is bool:
        is_valid, expected = isinstance(value, bool), "true or false"
    elif base_type is str:
        is_valid, expected, value = isinstance(value, str), "a text", str(value)[:80]
    elif typing.get_origin(base_type) is Literal:
        choices = typing.get_args(base_type)
        is_valid, expected = value in choices, f"one of {', '.join(choices)}"
    else:
        return
    if not is_valid:
        raise ConfigError(f"{name} must be {expected}, not {value!r}", setting=name)


def _is_number(value: Any, number_types: type | tuple[type, ...]) -> bool:
    return isinstance(value, number_types) and not isinstance(value, bool)


class UnknownSettingError(ValueError):
    """A record from a file has a setting that this version of charrnn does not know."""


def create_from_record(cls: type[_Record], record: Mapping[str, Any]) -> _Record:
    """Return an instance with the values in a record from a file.

    Raises `UnknownSettingError` if it contains a value for which the class has no field.
    """
    check_names(cls, record)
    return cls(**record)


def check_names(
    cls: type["DataclassInstance"], record: Mapping[str, Any], noun: str = "setting"
) -> None:
    """Raise `UnknownSettingError` if a class has no field for a value in a record."""
    names = {field.name for field in dataclasses.fields(cls)}
    for name in record:
        if name not in names:
            raise UnknownSettingError(f"the {noun} {name[:40]!r} is not known")


def check_text(name: str, value: Any) -> None:
    """Raise `ConfigError` unless `value` is a string of at most 65,536 characters without NUL."""
    if not isinstance(value, str) or "\0" in value or len(value) > 1 << 16:
        raise ConfigError(f"{name} must be a text, not {str(value)[:80]!r}", setting=name)


def check_sha256(value: Any) -> None:
    """Raise `ConfigError` unless `value` is a SHA-256 of 64 hexadecimal digits."""
    check_text("sha256", value)
    if not re.fullmatch(r"[0-9a-f]{64}", value):
        raise ConfigError(
            f"sha256 must be 64 hexadecimal digits, not {value[:80]!r}", setting="sha256"
        )
