"""The lesson works in Firefox."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from charrnn.export.web_page import render_web_page
from tests.export.small_models import train_checkpoint


@pytest.fixture
def firefox() -> Iterator[Any]:
    """Start a headless Firefox; skip the test if it or its driver is not installed."""
    driver = pytest.importorskip(
        "marionette_driver.marionette", reason="it is in the extra test-slow"
    )
    program = shutil.which("firefox-esr")
    if program is None:
        pytest.skip("Firefox is not installed: install the package firefox-esr")
    browser = driver.Marionette(bin=program, headless=True)
    browser.start_session()
    yield browser
    browser.quit()
    browser.cleanup()


def wait_until(browser: Any, condition: str) -> None:
    deadline = time.monotonic() + 60
    while not browser.execute_script(f"return Boolean({condition})"):
        assert time.monotonic() < deadline, condition
        time.sleep(0.1)


def text_of(name: str) -> str:
    return f"document.getElementById('{name}').textContent"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_lesson_works_in_firefox(text_file: Path, firefox: Any) -> None:
    page = render_web_page(train_checkpoint(text_file), [], with_lesson=True)
    Path("page.html").write_text(page, "utf-8")
    firefox.navigate(Path("page.html").resolve().as_uri())
    wait_until(firefox, text_of("memory-note"))
    firefox.find_element("id", "guess").send_keys("e")
    assert "bits of surprise" in firefox.execute_script(f"return {text_of('predict-score')}")
    assert len(firefox.find_elements("css selector", "#inside-curves polyline")) == 6
    wait_until(firefox, f"{text_of('clamp-with')}.length > 200")
    firefox.find_element("id", "learn").click()
    wait_until(firefox, f"{text_of('learn-note')}.startsWith('pass 3')")
    firefox.find_element("id", "learn-stop").click()
    wait_until(firefox, f"{text_of('learn-after')}.length > 100")
