"""The catalog: texts with a name, listed in `corpora/catalogue.toml`."""

import json
import sysconfig
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from charrnn.data.cache import downloads_folder
from charrnn.files import installed_folder

_EXCLUDED_FOLDERS = {"site-packages", "dist-packages", "test", "tests", "idle_test", "__pycache__"}


@dataclass(frozen=True, kw_only=True)
class CatalogueEntry:
    """A text of the catalog; its source is exactly one of `file`, `python`, `urls`."""

    name: str
    title: str
    language: str
    licence: str
    file: str | None = None
    python: bool = False
    urls: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    """The works in the folder at `urls`, which are converted by `charrnn.data.shakespeare` and
    joined with one U+001C between them; empty: `urls` give the text itself."""
    member: str | None = None
    """The name of the text inside the .zip file at `urls`; None: `urls` give the text itself."""
    bytes: int | None = None
    sha256: str | None = None

    @property
    def path(self) -> Path | None:
        """The path of the text; None if it is not downloaded yet. For `python`, it is a folder."""
        if self.python:
            return Path(sysconfig.get_path("stdlib"))
        path = (
            installed_folder("corpora") / self.file
            if self.file
            else downloads_folder() / f"{self.name}.txt"
        )
        return path if path.is_file() else None

    @property
    def size(self) -> int | None:
        """The size of the text in bytes; None if it is not known."""
        if self.python:
            return sum(path.stat().st_size for path in python_files())
        return self.path.stat().st_size if self.path else self.bytes

    @property
    def expected_sha256(self) -> str | None:
        """The SHA-256 that the text must have: from the catalog, else from the first download."""
        record = downloads_folder() / f"{self.name}.json"
        if self.sha256 is None and record.is_file():
            recorded: str = json.loads(record.read_text("utf-8"))["sha256"]
            return recorded
        return self.sha256


def list_names() -> list[str]:
    """Return the names of all texts; the bundled text is the first one."""
    return list(entries())


def bundled_name() -> str:
    """Return the name of the text that comes with charrnn."""
    return list_names()[0]


def bundled_path() -> Path:
    """Return the path of the text that comes with charrnn."""
    return installed_folder("corpora") / str(entries()[bundled_name()].file)


def find_text(name: str) -> Path | None:
    """Return the path of the text called `name`; None if it is unknown or not downloaded."""
    entry = entries().get(name)
    return entry.path if entry else None


def has_text(source: str | Path) -> bool:
    """Return whether a source of a text is a name in the catalog.

    A file with this name takes precedence, but not a folder: the folder of a run is often named
    after its text.
    """
    return str(source) in entries() and not Path(source).is_file()


@cache
def python_files() -> tuple[Path, ...]:
    """Return the source files of the standard library without its tests, sorted by path."""
    root = Path(sysconfig.get_path("stdlib"))
    paths = {path: path.relative_to(root).parts for path in root.rglob("*.py") if path.is_file()}
    included = [path for path, parts in paths.items() if not _EXCLUDED_FOLDERS & set(parts)]
    return tuple(sorted(included, key=paths.__getitem__))


@cache
def entries() -> dict[str, CatalogueEntry]:
    """Return all texts of the catalog, by name."""
    tables = tomllib.loads(
        (installed_folder("corpora") / "catalogue.toml").read_text(encoding="utf-8")
    )
    return {
        name: CatalogueEntry(name=name, **_with_tuples(table)) for name, table in tables.items()
    }


def _with_tuples(table: dict[str, Any]) -> dict[str, Any]:
    """Return a table of the catalog with tuples instead of lists."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
