"""Measure how much each part of the reading of texts saves, compared with simpler code.

    python benchmarks/reading_parts.py [MEGABYTES]

The encoding of a large text is timed with all parts, without the background thread, without the
counting of ASCII characters in pairs, and from the encoded copy in the cache, which later runs
open. Downloads are compared with pooch (`pip install pooch`): the number of bytes that a server
sends if the connection breaks once.
"""

import contextlib
import functools
import hashlib
import importlib
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from encoding import sample_texts
from timing import compare, replaced

from charrnn.data import cache as cache_module
from charrnn.data import encoded_cache, sources
from charrnn.data.catalogue import CatalogueEntry
from charrnn.data.corpus import Corpus
from charrnn.data.downloads import fetch
from charrnn.data.vocabulary import CharacterCounts, code_points
from charrnn.numerics.allocator import keep_freed_memory
from charrnn.numerics.cpu import cpu_name

BREAK_POINT = 0.5  # share of a download after which the connection breaks
DOWNLOAD_BYTES = 10_000_000
CHUNK = 1 << 17  # characters counted at once, as `CharacterCounts` does


class ForegroundWorker:
    """Does the work in the calling thread, instead of a background thread."""

    def submit(self, work: Callable[..., Any], *arguments: Any) -> None:
        """Call `work`."""
        work(*arguments)

    def close(self) -> None:
        """Do nothing: all work has finished."""


def count_code_points(counter: Any, text: bytes) -> None:
    """Count ASCII characters like other characters, not in pairs."""
    points = code_points(text.decode("ascii"))
    for first in range(0, len(points), CHUNK):
        counts = np.bincount(points[first : first + CHUNK])
        counter._counts[: len(counts)] += counts


def cache(folder: str) -> contextlib.AbstractContextManager[None]:
    """Use a folder as the cache during the block."""
    return replaced(cache_module, cache_folder=lambda: Path(folder))


def encode(path: Path, *replacements: tuple[Any, dict[str, Any]]) -> int:
    """Open a text with an empty cache; return its size in megabytes."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(cache(stack.enter_context(tempfile.TemporaryDirectory())))
        for module, names in replacements:
            stack.enter_context(replaced(module, **names))
        Corpus.open(path)
    return path.stat().st_size // 1_000_000


def open_again(path: Path, folder: str) -> int:
    """Open a text whose encoded copy is in the cache; return its size in megabytes."""
    with cache(folder):
        Corpus.open(path)
    return path.stat().st_size // 1_000_000


def compare_encoding(name: str, sample: str, megabytes: int) -> None:
    """Compare the ways to open a text, which repeats the sample."""
    data = sample.encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "text.txt")
        with path.open("wb") as file:
            for _ in range(megabytes * 1_000_000 // len(data)):
                file.write(data)
        modules = encoded_cache, sources
        foreground = [(module, {"BackgroundWorker": ForegroundWorker}) for module in modules]
        points = (CharacterCounts, {"_add_ascii": count_code_points})
        compare(
            f"{name}, {path.stat().st_size / 1e6:,.0f} MB: megabytes encoded",
            path.stat().st_size // 1_000_000,
            {
                "all parts": functools.partial(encode, path),
                "without the background thread": functools.partial(encode, path, *foreground),
                "without counting ASCII in pairs": functools.partial(encode, path, points),
                "the copy in the cache": functools.partial(open_again, path, folder),
            },
        )


class BreakingServer(ThreadingHTTPServer):
    """Serves one file, breaks the first connection halfway, and counts the bytes sent."""

    daemon_threads = True

    def __init__(self, data: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.data, self.sent_bytes, self.breaks_left = data, 0, 1
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """The address of the file."""
        return f"http://127.0.0.1:{self.server_port}/text.txt"


class Handler(BaseHTTPRequestHandler):
    """Answers requests for the file or for the rest of it."""

    server: BreakingServer

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        """Send the file, or the requested part of it."""
        bytes_range = self.headers["Range"]
        first = int(bytes_range.removeprefix("bytes=").removesuffix("-")) if bytes_range else 0
        body = self.server.data[first:]
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"one"')
        self.end_headers()
        if self.server.breaks_left:
            self.server.breaks_left -= 1
            body = body[: int(BREAK_POINT * len(body))]
        self.wfile.write(body)
        self.server.sent_bytes += len(body)


def download_with_charrnn(server: BreakingServer, sha256: str, folder: str) -> None:
    """Download the file with charrnn."""
    with cache(folder):
        fetch(
            CatalogueEntry(
                name="text", title="", language="", licence="", urls=(server.url,), sha256=sha256
            )
        )


def download_with_pooch(server: BreakingServer, sha256: str, folder: str) -> None:
    """Download the file with pooch, which starts again from the beginning after a break."""
    pooch = importlib.import_module("pooch")
    registry = {"text.txt": f"sha256:{sha256}"}
    base = server.url.removesuffix("text.txt")
    pooch.create(folder, base, registry=registry, retry_if_failed=3).fetch("text.txt")


def compare_downloads() -> None:
    """Print how many bytes the server sends for a download whose connection breaks once."""
    data = np.random.default_rng(0).bytes(DOWNLOAD_BYTES)
    sha256 = hashlib.sha256(data).hexdigest()
    print(f"\nA download of {DOWNLOAD_BYTES:,} bytes, broken once at {BREAK_POINT:.0%}: bytes sent")
    for name, download in (("charrnn", download_with_charrnn), ("pooch", download_with_pooch)):
        server = BreakingServer(data)
        try:
            with tempfile.TemporaryDirectory() as folder:
                download(server, sha256, folder)
        except ImportError:
            print(f"  {name:42} not installed")
            continue
        finally:
            server.shutdown()
        ratio = server.sent_bytes / DOWNLOAD_BYTES
        print(f"  {name:42} {server.sent_bytes:12,}, {ratio:.2f} times the file")


def main() -> None:
    """Measure and print."""
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 150
    os.environ["no_proxy"] = "127.0.0.1"
    keep_freed_memory()  # as `charrnn train` does
    print(f"{cpu_name()}, {os.cpu_count()} cores")
    for name, sample in sample_texts().items():
        compare_encoding(name, sample, megabytes)
    compare_downloads()


if __name__ == "__main__":
    main()
