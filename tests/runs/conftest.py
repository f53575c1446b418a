"""Fixtures of the tests of `charrnn.runs`."""

from pathlib import Path

import pytest

from charrnn.runs.run import Run
from tests.runs.small_run import CONFIG


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run(tmp_path / "checkpoints" / "t", CONFIG)
    run.create()
    return run
