"""The cache in the user's folder: encoded texts, downloads, and texts that could be read only once.

CACHE/encoded/     encoded texts: see `charrnn.data.encoded_cache`
CACHE/texts/       standard input and pipes, which cannot be read again
CACHE/downloads/   texts of the catalogue
"""

import shutil
from pathlib import Path

from charrnn.files import cache_folder


def encoded_folder() -> Path:
    """Return where encoded texts are kept."""
    return cache_folder() / "encoded"


def texts_folder() -> Path:
    """Return where texts that could be read only once are kept."""
    return cache_folder() / "texts"


def downloads_folder() -> Path:
    """Return where fetched texts are kept."""
    return cache_folder() / "downloads"


def cached_text_path(sha256: str) -> Path:
    """Return the file of a text that could be read only once."""
    return texts_folder() / f"{sha256}.txt"


def clear_cache() -> int:
    """Empty the three folders; return how many bytes were removed."""
    removed = 0
    for folder in (encoded_folder(), texts_folder(), downloads_folder()):
        if folder.is_dir():
            removed += sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            shutil.rmtree(folder)
    return removed
