"""The folders of the cache: encoded texts, downloads, and copies of standard input and pipes.

CACHE/encoded/     encoded texts: see `charrnn.data.encoded_cache`
CACHE/texts/       copies of standard input and pipes, which cannot be read a second time
CACHE/downloads/   downloaded texts of the catalog
"""

import shutil
from pathlib import Path

from charrnn.files import cache_folder


def encoded_folder() -> Path:
    """Return the folder of encoded texts."""
    return cache_folder() / "encoded"


def texts_folder() -> Path:
    """Return the folder of copies of standard input and pipes."""
    return cache_folder() / "texts"


def downloads_folder() -> Path:
    """Return the folder of downloaded texts."""
    return cache_folder() / "downloads"


def cached_text_path(sha256: str) -> Path:
    """Return the path of the copy of standard input or of a pipe, by its SHA-256."""
    return texts_folder() / f"{sha256}.txt"


def clear_cache() -> int:
    """Remove the three folders; return the number of bytes that were removed."""
    removed = 0
    for folder in (encoded_folder(), texts_folder(), downloads_folder()):
        if folder.is_dir():
            removed += sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            shutil.rmtree(folder)
    return removed
