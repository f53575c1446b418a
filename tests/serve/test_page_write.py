"""The view "Write" of the page, in a browser: it shows the texts of the API."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from charrnn.numerics.information import nats_to_bits
from charrnn.reports.pages import choose_surprise_level
from charrnn.training.events import Finished
from tests.serve.conftest import RunningServer, StartServer

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

PROMPT = "FIRST MILLER:\nThe w"
MIN_P = 0.05  # the default of the page


@contextlib.contextmanager
def opened_view(
    browser: "Browser", server: RunningServer, name: str, width: int = 1280
) -> Iterator["Page"]:
    """Open a view; at the end, check that no script failed and that all requests were local.

    The page forbids `eval`, so `wait_for_function` does not work: use `expect`.
    """
    context = browser.new_context(viewport={"width": width, "height": 800})
    context.set_default_timeout(10_000)
    page, problems, urls = context.new_page(), list[str](), list[str]()
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text))
    page.on("request", lambda request: urls.append(request.url))
    page.goto(f"{server.url}/#{name}")
    yield page
    context.close()
    # The browser reports each answer of 400 or higher.
    assert [text for text in problems if not text.startswith("Failed to load resource")] == []
    own = (f"{server.url}/", f"blob:{server.url}/", "data:,")
    assert [url for url in urls if not url.startswith(own)] == []


@pytest.fixture
def write_view(browser: "Browser", server: RunningServer) -> Iterator["Page"]:
    """The view, with the model `verse`, a prompt, a seed and a length."""
    with opened_view(browser, server, "write") as page:
        page.select_option("#model", "verse")
        page.fill("#prompt", PROMPT)
        page.click("#more-settings summary")
        page.fill("#seed", "7")
        page.fill("#length", "60")
        yield page


def generate(page: "Page") -> None:
    page.click("#continue")
    expect_status(page, "Done.")


def read_text(page: "Page", text: str) -> None:
    from playwright.sync_api import expect

    page.fill("#read-text", text)
    page.get_by_role("button", name="Read the text").click()
    expect(page.locator("#read-status")).to_have_text("Done.")


def measure_width(page: "Page") -> int:
    return int(page.evaluate("document.documentElement.scrollWidth"))


def expect_status(page: "Page", text: str) -> None:
    from playwright.sync_api import expect

    expect(page.locator("#write-status")).to_have_text(text)


def characters(page: "Page", column: int = 0) -> "Locator":
    return page.locator(".column").nth(column).locator(".characters i")


def shown_text(page: "Page", column: int = 0) -> str:
    return "".join(characters(page, column).all_text_contents())


def complete(server: RunningServer, prompt: str, temperature: float = 0.9) -> dict[str, Any]:
    """Return the choice that the view requests."""
    answer = server.complete(
        prompt=prompt, seed=7, max_tokens=60, temperature=temperature, min_p=MIN_P, logprobs=10
    )
    choice = answer["choices"][0]
    assert isinstance(choice, dict)
    return choice


def test_each_column_shows_the_text_at_its_temperature(
    write_view: "Page", server: RunningServer
) -> None:
    write_view.click("#add-column")
    write_view.select_option("#coloring", "surprise")
    generate(write_view)
    for column, temperature in enumerate((0.5, 0.9)):
        choice = complete(server, PROMPT, temperature)
        assert shown_text(write_view, column) == choice["text"]
        losses = [nats_to_bits(-value) for value in choice["logprobs"]["token_logprobs"]]
        classes = characters(write_view, column).evaluate_all("list => list.map(e => e.className)")
        assert classes == [f"s{choose_surprise_level(bits)}" for bits in losses]
        meta = write_view.locator(".column .meta").nth(column).inner_text()
        assert f"temperature {temperature}, seed 7." in meta


def test_another_character_is_chosen_by_keyboard_and_undone(
    write_view: "Page", server: RunningServer
) -> None:
    generate(write_view)
    original = shown_text(write_view)
    tab_stops = write_view.locator(".characters i[tabindex='0']")
    assert tab_stops.count() == 1
    tab_stops.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "Enter"):
        write_view.keyboard.press(key)
    likely = complete(server, PROMPT)["logprobs"]["top_logprobs"][3]
    ranked = sorted(likely, key=lambda character: -likely[character])
    assert write_view.locator("#alternatives .alternative").count() >= len(ranked)
    others = [character for character in ranked if character != original[3]]
    for key in ("ArrowDown", "Enter"):
        write_view.keyboard.press(key)
    expect_status(write_view, "Done.")
    start = original[:3] + others[1]
    assert shown_text(write_view) == start + complete(server, PROMPT + start)["text"]
    assert write_view.locator("i.chosen").evaluate("e => e === document.activeElement")
    write_view.keyboard.press("Control+z")
    assert shown_text(write_view) == original


def test_a_stopped_text_can_be_used_and_saved(write_view: "Page") -> None:
    write_view.fill("#length", "20000")
    write_view.click("#continue")
    characters(write_view).first.wait_for()
    write_view.click("#stop")
    expect_status(write_view, "Stopped.")
    text = PROMPT + shown_text(write_view)
    assert len(PROMPT) < len(text) < 20000
    with write_view.expect_download() as download:
        write_view.get_by_role("button", name="Save").click()
    assert download.value.suggested_filename == "verse.txt"
    assert Path(download.value.path()).read_text("utf-8") == text
    write_view.get_by_role("button", name="Use this text").click()
    assert write_view.input_value("#prompt") == text
    write_view.click("#undo")
    assert write_view.input_value("#prompt") == PROMPT


def test_an_error_is_shown_as_a_sentence(write_view: "Page") -> None:
    from playwright.sync_api import expect

    generate(write_view)
    before = shown_text(write_view)
    write_view.fill("#prompt", "Th€")
    write_view.click("#continue")
    expect(write_view.locator("#write-error")).to_have_text(
        re.compile("^Not generated: .*'€'.*Leave out unknown characters.*\\.$")
    )
    assert shown_text(write_view) == before
    write_view.check("#skip-unknown")
    generate(write_view)
    assert write_view.inner_text("#write-error") == ""
    assert shown_text(write_view) != before


def test_the_text_is_colored_by_the_activity_of_a_unit(
    write_view: "Page", server: RunningServer
) -> None:
    from playwright.sync_api import expect

    generate(write_view)
    text = shown_text(write_view)
    write_view.select_option("#coloring", "unit")
    write_view.fill("#unit", "2:3")
    write_view.keyboard.press("Tab")
    answer = server.post(
        "/v1/activity", {"model": "verse", "text": PROMPT + text, "unit": "2:3"}
    ).json()
    for index in range(-1, -6, -1):
        level = int(answer["values"][index] * 6 + 6.5) - 6  # rounded half up, as in JavaScript
        expected = f"{'n' if level < 0 else 'p'}{abs(level)}"
        expect(characters(write_view).nth(len(text) + index)).to_have_class(expected)
    write_view.fill("#unit", "3:1")
    write_view.keyboard.press("Tab")
    expect(write_view.locator("#color-error")).to_have_text(re.compile("^No colors: '3:1' is not"))


def test_the_page_asks_for_the_key_and_sends_it(
    finished: Finished, browser: "Browser", start_server: StartServer
) -> None:
    from playwright.sync_api import expect

    with opened_view(browser, start_server(api_key="secret"), "write") as page:
        page.fill("#key", "wrong")
        page.keyboard.press("Enter")
        expect(page.locator("#key-error")).to_have_text("The server does not accept this key.")
        page.fill("#key", "secret")
        page.keyboard.press("Enter")
        page.select_option("#model", "verse")
        page.fill("#length", "20")
        generate(page)
        assert len(shown_text(page)) == 20
        page.reload()
        page.select_option("#model", "verse")
        assert not page.is_visible("#key-dialog")


def test_no_view_is_wider_than_a_phone(browser: "Browser", server: RunningServer) -> None:
    with opened_view(browser, server, "write", width=360) as page:
        for _ in range(3):
            page.click("#add-column")
        page.click("#more-settings summary")
        page.select_option("#model", "verse")
        page.fill("#length", "100")
        generate(page)
        assert measure_width(page) == 360
        page.click("#tab-runs")
        page.locator("#loss-chart path").first.wait_for(state="attached")
        assert measure_width(page) == 360
        page.click("#tab-read")
        read_text(page, "The wheel goes round " * 20)
        assert measure_width(page) == 360
