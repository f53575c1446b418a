"""Measure the speed of encoding a large text, and of opening it from the cache.

    python benchmarks/encoding.py [MEGABYTES]

One text is ASCII, the other one UTF-8 in several scripts.
"""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from charrnn.data import catalogue
from charrnn.data.corpus import Corpus
from charrnn.numerics.allocator import keep_freed_memory

ROUNDS = 5
MIXED = "Größe und Ähre, déjà vu, здравствуй, мир, 你好，世界, žluťoučký kůň, 🙂 and plain words. "


def sample_texts() -> dict[str, str]:
    """Return a sample of each kind of text, which is repeated to make a large text."""
    play = catalogue.bundled_path().read_text(encoding="utf-8")
    lines = play.splitlines(keepends=True)
    return {"ASCII": play, "mixed UTF-8": "".join(MIXED + line for line in lines)}


def seconds_to_open(path: Path) -> float:
    """Return the time to open a text, in seconds."""
    start = time.perf_counter()
    Corpus.open(path)
    return time.perf_counter() - start


def main(megabytes: int) -> None:
    """Print the speed of encoding each text, and of opening it from the cache."""
    keep_freed_memory()  # as `charrnn train` does
    for name, sample in sample_texts().items():
        first, cached = [], []
        data = sample.encode()
        for _ in range(ROUNDS):
            with tempfile.TemporaryDirectory() as folder:
                os.environ["XDG_CACHE_HOME"] = str(Path(folder, "cache"))
                path = Path(folder, "text.txt")
                with path.open("wb") as file:
                    for _ in range(megabytes * 1_000_000 // len(data)):
                        file.write(data)
                size = path.stat().st_size / 1e6
                first.append(size / seconds_to_open(path))
                cached.append(size / seconds_to_open(path))
        print(
            f"{name:12} {size:5,.0f} MB  encoded at {statistics.median(first):4,.0f} MB/s "
            f"({min(first):,.0f} to {max(first):,.0f})  opened from the cache at "
            f"{statistics.median(cached):5,.0f} MB/s"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 225)
