"""Fixtures of the tests of training."""

from pathlib import Path

import pytest

from charrnn.data.corpus import Corpus


@pytest.fixture
def text(text_file: Path) -> Corpus:
    return Corpus.open(text_file)
