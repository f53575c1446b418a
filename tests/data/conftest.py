"""Fixtures of the tests of `charrnn.data`."""

import pytest

from charrnn.data import encoded_cache, progress, sources


@pytest.fixture
def cache_all_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Store every text in the cache, as if it were large, and read a few bytes at once."""
    monkeypatch.setattr(encoded_cache, "MIN_CACHED_BYTES", 0)
    monkeypatch.setattr(sources, "CHUNK", 16)
    monkeypatch.setattr(progress, "CHUNK", 16)
