"""Fixtures of the tests of texts."""

import pytest

from charrnn.data import encoded_cache, progress, sources


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat every text as a large one, read a few bytes at once."""
    monkeypatch.setattr(encoded_cache, "MIN_CACHED_BYTES", 0)
    monkeypatch.setattr(sources, "CHUNK", 16)
    monkeypatch.setattr(progress, "CHUNK", 16)
