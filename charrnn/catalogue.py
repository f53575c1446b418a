"""The texts that charrnn knows by name, listed in `corpora/catalogue.toml`."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).parent


def names() -> list[str]:
    """Return the names of all texts, the bundled one first."""
    return list(_entries())


def bundled() -> str:
    """Return the name of the text that comes with charrnn."""
    return names()[0]


def bundled_path() -> Path:
    """Return the file of the text that comes with charrnn."""
    return _folder() / str(_entries()[bundled()]["file"])


def find(name: str) -> Path | None:
    """Return the file of the text called `name`, or None if there is none of that name."""
    entry = _entries().get(name)
    return _folder() / entry["file"] if entry else None


@cache
def _entries() -> dict[str, dict[str, Any]]:
    return tomllib.loads((_folder() / "catalogue.toml").read_text(encoding="utf-8"))


def _folder() -> Path:
    """`corpora/` inside an installed package, or beside the package in a checkout."""
    inside = _PACKAGE / "corpora"
    return inside if inside.is_dir() else _PACKAGE.parent / "corpora"
