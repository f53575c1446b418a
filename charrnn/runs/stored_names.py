"""Names on disk that differ from the names of fields in the code.

Names on disk never change, because users and other tools read them. If a field is renamed in the
code, add its name on disk here. The code that reads or writes a record applies this table.
"""

from collections.abc import Mapping
from typing import Any

_STORED_NAMES = {"rollbacks": "setbacks"}
"""Maps the name of a field in the code to its name on disk."""

_FIELD_NAMES = {stored: field for field, stored in _STORED_NAMES.items()}


def to_stored_names(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record with the names on disk."""
    return {_STORED_NAMES.get(name, name): value for name, value in record.items()}


def to_field_names(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record from the disk with the names of the fields.

    Raises `ValueError` if the record contains a field name that has another name on disk.
    """
    unknown = _STORED_NAMES.keys() & record.keys()
    if unknown:
        raise ValueError(f"unknown name {min(unknown)}")
    return {_FIELD_NAMES.get(name, name): value for name, value in record.items()}
