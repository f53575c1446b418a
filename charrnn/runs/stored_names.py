"""Names on disk that differ from the names of fields in the code.

Names on disk never change: users and other tools read them. A field that is renamed in the code
keeps its name on disk by an entry here, which the reader and the writer of a record apply.
"""

from collections.abc import Mapping
from typing import Any

_STORED_NAMES = {"rollbacks": "setbacks"}
"""Name of a field in the code: its name on disk."""

_FIELD_NAMES = {stored: field for field, stored in _STORED_NAMES.items()}


def to_stored_names(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record of fields under their names on disk."""
    return {_STORED_NAMES.get(name, name): value for name, value in record.items()}


def to_field_names(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record from the disk under the names of its fields.

    Raises `ValueError` for the name of a field that has another name on disk.
    """
    unknown = _STORED_NAMES.keys() & record.keys()
    if unknown:
        raise ValueError(f"unknown name {min(unknown)}")
    return {_FIELD_NAMES.get(name, name): value for name, value in record.items()}
