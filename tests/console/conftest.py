"""The events of a small run, and a view that shows them on a given console."""

from pathlib import Path

import pytest
from rich.console import Console

from charrnn.console import training_view
from charrnn.console.training_view import TrainingView
from charrnn.training.events import Event
from charrnn.training.loop import train
from tests.conftest import TINY_MODEL, TINY_TRAINING


@pytest.fixture
def events(text_file: Path) -> list[Event]:
    return list(train(str(text_file), TINY_TRAINING, TINY_MODEL))


def make_view(console: Console, monkeypatch: pytest.MonkeyPatch) -> TrainingView:
    monkeypatch.setattr(training_view, "stderr_console", lambda: console)
    return TrainingView()
