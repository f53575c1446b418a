"""The texts that charrnn knows by name, listed in `corpora/catalogue.toml`."""

import json
import sysconfig
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from charrnn.data.cache import downloads_folder
from charrnn.files import installed_folder

_LEFT_OUT = {"site-packages", "dist-packages", "test", "tests", "idle_test", "__pycache__"}


@dataclass(frozen=True, kw_only=True)
class CatalogueEntry:
    """A text of the catalogue; exactly one of `file`, `python` and `urls` says where it is."""

    name: str
    title: str
    language: str
    licence: str
    file: str | None = None
    python: bool = False
    urls: tuple[str, ...] = ()
    member: str | None = None
    """The file inside the .zip that the addresses lead to."""
    bytes: int | None = None
    sha256: str | None = None

    @property
    def path(self) -> Path | None:
        """Where the text is, None while it was not fetched; the source of Python is a folder."""
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
        """Bytes of the text, as far as they are known."""
        if self.python:
            return sum(path.stat().st_size for path in python_files())
        return self.path.stat().st_size if self.path else self.bytes

    @property
    def expected_sha256(self) -> str | None:
        """The SHA-256 that is expected: the catalogue's, or that of the first download."""
        record = downloads_folder() / f"{self.name}.json"
        if self.sha256 is None and record.is_file():
            recorded: str = json.loads(record.read_text("utf-8"))["sha256"]
            return recorded
        return self.sha256


def list_names() -> list[str]:
    """Return the names of all texts, the bundled one first."""
    return list(entries())


def bundled_name() -> str:
    """Return the name of the text that comes with charrnn."""
    return list_names()[0]


def bundled_path() -> Path:
    """Return the file of the text that comes with charrnn."""
    return installed_folder("corpora") / str(entries()[bundled_name()].file)


def find_text(name: str) -> Path | None:
    """Return where the text called `name` is, None if it is not here or unknown."""
    entry = entries().get(name)
    return entry.path if entry else None


@cache
def python_files() -> tuple[Path, ...]:
    """Return the source files of the standard library, without its tests, in a stable order."""
    root = Path(sysconfig.get_path("stdlib"))
    found = (path for path in root.rglob("*.py") if path.is_file())
    kept = [path for path in found if not _LEFT_OUT & set(path.relative_to(root).parts)]
    return tuple(sorted(kept, key=lambda path: path.relative_to(root).parts))


@cache
def entries() -> dict[str, CatalogueEntry]:
    """Return all texts by name."""
    listed = tomllib.loads(
        (installed_folder("corpora") / "catalogue.toml").read_text(encoding="utf-8")
    )
    return {
        name: CatalogueEntry(name=name, **{**each, "urls": tuple(each.get("urls", ()))})
        for name, each in listed.items()
    }
