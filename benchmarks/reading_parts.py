"""What each part of reading texts gains, compared with the simple implementation.

    python benchmarks/reading_parts.py [MEGABYTES]

The encoding of a large text: without the background thread, without the count of ASCII characters
in pairs, and the encoded copy in the cache, which later runs open. Downloads: the bytes that a
server sends when the connection breaks once, beside pooch (`pip install pooch`).
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
from encoding import texts
from turns import compare, replaced

from charrnn.data import cache as cache_module
from charrnn.data import encoded_cache, sources
from charrnn.data.catalogue import CatalogueEntry
from charrnn.data.corpus import Corpus
from charrnn.data.downloads import fetch
from charrnn.data.vocabulary import Census, code_points
from charrnn.numerics.allocator import keep_freed_memory
from charrnn.numerics.cpu import cpu_name

BROKEN = 0.5  # of a download, after which the connection breaks
SIZE = 10_000_000  # bytes of the download
PIECE = 1 << 17  # characters counted at once, as `Census` does


class NoThread:
    """Do the work at once, in place of a background thread."""

    def do(self, work: Callable[..., Any], *arguments: Any) -> None:
        """Do it."""
        work(*arguments)

    def finish(self) -> None:
        """Do nothing: everything is done."""


def count_code_points(census: Any, text: bytes) -> None:
    """Count ASCII characters as any other characters."""
    points = code_points(text.decode("ascii"))
    for first in range(0, len(points), PIECE):
        counts = np.bincount(points[first : first + PIECE])
        census._counts[: len(counts)] += counts


def cache(folder: str) -> contextlib.AbstractContextManager[None]:
    """Use a folder as the cache in a block."""
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


def compare_encoding(name: str, piece: str, megabytes: int) -> None:
    """Compare the ways to open a text of one kind."""
    data = piece.encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "text.txt")
        with path.open("wb") as file:
            for _ in range(megabytes * 1_000_000 // len(data)):
                file.write(data)
        no_thread = [(module, {"Behind": NoThread}) for module in (encoded_cache, sources)]
        points = (Census, {"_add_ascii": count_code_points})
        compare(
            f"{name}, {path.stat().st_size / 1e6:,.0f} MB: megabytes encoded",
            path.stat().st_size // 1_000_000,
            {
                "all parts": functools.partial(encode, path),
                "without the background thread": functools.partial(encode, path, *no_thread),
                "without counting ASCII in pairs": functools.partial(encode, path, points),
                "the copy in the cache": functools.partial(open_again, path, folder),
            },
        )


class BreakingServer(ThreadingHTTPServer):
    """Serve one file; break the first connection half way, and count the bytes sent."""

    daemon_threads = True

    def __init__(self, data: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.data, self.sent, self.breaks = data, 0, 1
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """The address of the file."""
        return f"http://127.0.0.1:{self.server_port}/text.txt"


class Handler(BaseHTTPRequestHandler):
    """Answer a request, also for the rest of the file."""

    server: BreakingServer

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        """Send the file, or the part of it that was asked for."""
        asked = self.headers["Range"]
        first = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        body = self.server.data[first:]
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"one"')
        self.end_headers()
        if self.server.breaks:
            self.server.breaks -= 1
            body = body[: int(BROKEN * len(body))]
        self.wfile.write(body)
        self.server.sent += len(body)


def download_ours(server: BreakingServer, sha256: str, folder: str) -> None:
    """Fetch the file as charrnn does."""
    with cache(folder):
        fetch(
            CatalogueEntry(
                name="text", title="", language="", licence="", urls=(server.url,), sha256=sha256
            )
        )


def download_pooch(server: BreakingServer, sha256: str, folder: str) -> None:
    """Fetch the file by pooch, which tries again from the start."""
    pooch = importlib.import_module("pooch")
    registry = {"text.txt": f"sha256:{sha256}"}
    base = server.url.removesuffix("text.txt")
    pooch.create(folder, base, registry=registry, retry_if_failed=3).fetch("text.txt")


def compare_downloads() -> None:
    """Print how many bytes each way needs for a download whose connection breaks once."""
    data = np.random.default_rng(0).bytes(SIZE)
    sha256 = hashlib.sha256(data).hexdigest()
    print(f"\nA download of {SIZE:,} bytes that breaks once, at {BROKEN:.0%}: bytes sent")
    for name, download in (("charrnn", download_ours), ("pooch", download_pooch)):
        server = BreakingServer(data)
        try:
            with tempfile.TemporaryDirectory() as folder:
                download(server, sha256, folder)
        except ImportError:
            print(f"  {name:42} not installed")
            continue
        finally:
            server.shutdown()
        print(f"  {name:42} {server.sent:12,}, {server.sent / SIZE:.2f} times the file")


def main() -> None:
    """Measure and print."""
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 150
    os.environ["no_proxy"] = "127.0.0.1"
    keep_freed_memory()  # as `charrnn train` does
    print(f"{cpu_name()}, {os.cpu_count()} cores")
    for name, piece in texts().items():
        compare_encoding(name, piece, megabytes)
    compare_downloads()


if __name__ == "__main__":
    main()
