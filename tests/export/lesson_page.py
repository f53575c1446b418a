"""Opens the lesson of a small model's page."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from charrnn.export.web_page import render_web_page
from charrnn.runs.checkpoint import Checkpoint
from tests.conftest import OpenedPage

OpenPage = Callable[[Path], OpenedPage]
LOADED = "() => lesson.steps.length > 1 && element('lesson-note').textContent === ''"


def open_lesson(checkpoint: Checkpoint, open_page: OpenPage) -> Any:
    """Open the page of a checkpoint, and wait until its lesson has a text."""
    Path("page.html").write_text(render_web_page(checkpoint, [], with_lesson=True), "utf-8")
    page = open_page(Path("page.html")).page
    page.wait_for_function(LOADED)
    page.evaluate("() => { for (const name in newestJobs) newestJobs[name]++; }")  # all jobs end
    page.wait_for_timeout(50)
    return page
