"""How fast a large text is encoded, cache and all: ASCII and mixed UTF-8.

python benchmarks/encoding.py [MEGABYTES]
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


def texts() -> dict[str, str]:
    """Return a piece of each kind of text."""
    play = catalogue.bundled_path().read_text(encoding="utf-8")
    lines = play.splitlines(keepends=True)
    return {"ASCII": play, "mixed UTF-8": "".join(MIXED + line for line in lines)}


def seconds(path: Path) -> float:
    """Return how long it takes to open a text."""
    started = time.perf_counter()
    Corpus.open(path)
    return time.perf_counter() - started


def main(megabytes: int) -> None:
    """Print how fast each text is encoded, and how fast it is opened again."""
    keep_freed_memory()  # as `charrnn train` does
    for name, piece in texts().items():
        first, again = [], []
        data = piece.encode()
        for _ in range(ROUNDS):
            with tempfile.TemporaryDirectory() as folder:
                os.environ["XDG_CACHE_HOME"] = str(Path(folder, "cache"))
                path = Path(folder, "text.txt")
                with path.open("wb") as file:
                    for _ in range(megabytes * 1_000_000 // len(data)):
                        file.write(data)
                size = path.stat().st_size / 1e6
                first.append(size / seconds(path))
                again.append(size / seconds(path))
        print(
            f"{name:12} {size:5,.0f} MB  encoded at {statistics.median(first):4,.0f} MB/s "
            f"({min(first):,.0f} to {max(first):,.0f})  opened again at "
            f"{statistics.median(again):5,.0f} MB/s"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 225)
