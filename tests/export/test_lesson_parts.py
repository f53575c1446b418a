"""The parts of the lesson of a web page, used with the keyboard in a browser."""

from pathlib import Path

import pytest

from charrnn.data import catalogue
from charrnn.export import targets
from charrnn.runs.checkpoint import Checkpoint
from tests.conftest import Cli
from tests.export.lesson_page import OpenPage, open_lesson
from tests.export.small_models import train_checkpoint


@pytest.fixture
def checkpoint(text_file: Path) -> Checkpoint:
    return train_checkpoint(text_file)


def test_the_parts_respond_to_the_keyboard(checkpoint: Checkpoint, open_page: OpenPage) -> None:
    page = open_lesson(checkpoint, open_page)
    page.locator("summary").press("Enter")
    page.fill("#lesson-text", "The wheel goes round")
    page.wait_for_function("() => lesson.text.length === 20")
    page.locator("#guess").press_sequentially("gx")
    assert "you 1 of 2" in page.inner_text("#predict-score")
    page.locator("#guess-all").press("Enter")
    assert page.locator("#predict-columns > div").count() == 20
    page.locator("#lesson-top-p").fill("0.3")
    assert page.locator("#temperature-bars .cut").count() > 0
    assert len(page.inner_text("#draws").split()) == 10
    page.locator("#memory-text").press("ArrowLeft")
    page.wait_for_function("() => element('memory-note').textContent.includes('position 19')")
    assert page.locator("#memory-text i.p6").count() > 0
    page.locator("#inside-step").press("Enter")
    assert "cell" in page.inner_text("#inside-equations .now")
    for _ in range(2):
        page.locator("#inside-step").press("Enter")
    assert "position 2" in page.inner_text("#inside-equations")
    assert page.locator("#inside-curves polyline").count() == 6
    page.locator("#clamp-value").fill("-1")
    page.wait_for_function("() => element('clamp-with').textContent.length > 200")
    page.wait_for_function("() => element('clamp-without').textContent.length > 200")
    assert page.inner_text("#clamp-with") != page.inner_text("#clamp-without")


def test_the_page_learns_a_pasted_text_and_forgets_it(
    checkpoint: Checkpoint, open_page: OpenPage
) -> None:
    page = open_lesson(checkpoint, open_page)
    page.fill("#own-text", "the round wheel. " * 20)
    page.click("#learn")
    page.wait_for_function("() => students.trained.losses.length >= 20")
    page.click("#learn-stop")
    losses = page.evaluate("() => students.trained.losses")
    assert losses[-1] < 0.9 * losses[0]
    assert "for guessing by frequency" in page.inner_text("#learn-note")
    page.wait_for_function("() => element('learn-after').textContent.length > 200")
    page.wait_for_function("() => element('learn-before').textContent.length > 200")
    assert page.inner_text("#learn-after") != page.inner_text("#learn-before")
    page.click("#learn-reset")
    assert page.evaluate("() => learner.numUpdates") == 0
    page.fill("#own-text", "")
    page.click("#learn")
    assert page.inner_text("#learn-note").startswith("give a text of at least two")


def test_a_small_network_learns_from_random_weights(
    checkpoint: Checkpoint, open_page: OpenPage
) -> None:
    page = open_lesson(checkpoint, open_page)
    page.evaluate("() => { SMALL.seconds = 3; }")
    page.select_option("#student", "small")
    page.fill("#own-text", "Ä round wheel turns. " * 30)  # a character that the page does not know
    page.fill("#learn-prompt", "Ä ")
    page.click("#learn")
    page.wait_for_function("() => element('learn-note').textContent.startsWith('done')")
    losses = page.evaluate("() => students.small.losses")
    assert losses[0] > 3  # bits per character; 4.1 for 17 characters that are equally likely
    assert losses[-1] < 0.5
    page.wait_for_function("() => element('learn-after').textContent.length > 200")
    assert "Ä round wheel turns. Ä round" in page.inner_text("#learn-after")
    assert page.evaluate("() => learner.numUpdates") == 0  # the page's network has not learned


def test_no_part_is_wider_than_a_phone(checkpoint: Checkpoint, open_page: OpenPage) -> None:
    page = open_lesson(checkpoint, open_page)
    page.set_viewport_size({"width": 360, "height": 700})
    page.click("#guess-all")
    page.click("#inside-step")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360


def test_the_lesson_adds_less_than_a_megabyte_to_the_page_of_bard(cli: Cli) -> None:
    assert cli("export", "bard", "--to", "html", "--no-cells").code == 0
    size = Path("bard.html").stat().st_size
    assert cli("export", "bard", "--to", "html", "--no-cells", "--lesson").code == 0
    assert 0 < Path("bard.html").stat().st_size - size < 10**6


def test_the_bundled_model_is_studied_on_the_bundled_text(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    play = Path("play.txt")
    play.write_bytes(catalogue.bundled_path().read_bytes())
    checkpoint = train_checkpoint(play)
    play.unlink()
    outcome = cli("export", "lstm", "--to", "html", "--lesson")
    assert (outcome.code, "the page offers no units" in outcome.err) == (0, True)
    monkeypatch.setattr(targets, "bundled_model_path", lambda: checkpoint.run.path)
    outcome = cli("export", "lstm", "--to", "html", "--lesson")
    assert (outcome.code, "the page offers no units" in outcome.err) == (0, False)
    assert "testing these units on another text" in outcome.err


def test_only_a_web_page_can_have_a_lesson(cli: Cli) -> None:
    outcome = cli("export", "bard", "--to", "onnx", "--lesson")
    assert outcome.code == 2
    assert "--lesson adds a lesson to a web page: give --to html" in outcome.err
