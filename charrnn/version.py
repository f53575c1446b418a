"""The version of charrnn, and the order of versions."""

import re

__version__ = "0.2.0.dev0"

_VERSION = re.compile(r"(\d{1,6}(?:\.\d{1,6}){0,3})(\.dev\d{1,6})?")
_Order = tuple[tuple[int, ...], bool]


def parse_version(value: object) -> _Order | None:
    """Return the place of a version in the order of versions; None if `value` is not a version.

    A development version, such as 0.2.0.dev0, is older than the release.
    """
    match = _VERSION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    return tuple(map(int, match[1].split("."))), match[2] is None


def is_newer(version: str | None) -> bool:
    """Return whether a version is newer than this charrnn; false if it is not known."""
    order, own_order = parse_version(version), parse_version(__version__)
    return order is not None and own_order is not None and order > own_order
