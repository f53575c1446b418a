"""Fixtures of the tests of `charrnn.data`."""

import threading
from collections.abc import Iterator

import pytest

from charrnn.data import downloads, encoded_cache, progress, sources
from tests.data.download_site import Site


@pytest.fixture
def cache_all_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Store every text in the cache, as if it were large, and read a few bytes at once."""
    monkeypatch.setattr(encoded_cache, "MIN_CACHED_BYTES", 0)
    monkeypatch.setattr(sources, "CHUNK", 16)
    monkeypatch.setattr(progress, "CHUNK", 16)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(downloads, "_PAUSES", (0.0, 0.0))
    monkeypatch.setenv("no_proxy", "*")
    with Site() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()
