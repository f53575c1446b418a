"""The view "Read" of the page, in a browser: the losses of a text under models."""

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from charrnn.analysis.surprise import find_surprising_lines
from charrnn.numerics.information import nats_to_bits
from charrnn.reports.pages import choose_surprise_level
from tests.conftest import VERSE
from tests.serve.conftest import RunningServer
from tests.serve.test_page_write import opened_view, read_text

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def score(server: RunningServer, model: str, text: str) -> Any:
    return server.post("/v1/score", {"model": model, "text": text, "per_character": True}).json()


def test_models_are_ranked_and_the_text_is_colored(
    browser: "Browser", server: RunningServer
) -> None:
    text = VERSE + "The wheel went.\n" * 2
    scores = {model: score(server, model, text) for model in ("bard", "verse")}
    ranked = sorted(scores, key=lambda model: float(scores[model]["bits_per_char"]))
    with opened_view(browser, server, "read") as page:
        for name in scores:
            page.get_by_role("checkbox", name=name).check()
        read_text(page, text)
        rows = page.locator("#ranking tr")
        assert [rows.nth(k).locator("th").inner_text() for k in range(2)] == ranked
        bits = f"{scores[ranked[0]]['bits_per_char']:.3f}"
        assert rows.first.locator("td.figure").first.inner_text() == bits
        assert rows.locator("td:last-child").all_inner_texts() == ["1, best", "2"]
        page.get_by_role("radio", name="verse").check()
        assert page.inner_text("#shown-title") == "The text as verse reads it"
        shown = page.locator("#read-characters i")
        assert "".join(shown.all_text_contents()) == text
        nats = scores["verse"]["per_character"]["nats"]
        classes = shown.evaluate_all("list => list.map(e => e.className)")
        assert classes == ["", *(f"s{choose_surprise_level(nats_to_bits(x))}" for x in nats[1:])]
        shown.nth(4).hover()
        assert page.inner_text("#tip") == f"T: {nats_to_bits(nats[4]):.2f} bits"
        expected = find_surprising_lines(text, np.array(nats[1:], np.float32))
        lines = page.locator("#lines tr")
        assert [lines.nth(k).locator("td").all_inner_texts() for k in range(lines.count())] == [
            [str(line.number), f"{line.bits_per_char:.2f}", str(line.times), line.text]
            for line in expected
        ]


def test_unknown_characters_are_an_error_or_left_out(
    browser: "Browser", server: RunningServer
) -> None:
    with opened_view(browser, server, "read") as page:
        page.get_by_role("checkbox", name="bard").uncheck()
        page.get_by_role("button", name="Read the text").click()
        assert page.inner_text("#read-error") == "Type or paste a text first."
        page.fill("#read-text", "The ☃ wheel")
        page.get_by_role("button", name="Read the text").click()
        assert page.inner_text("#read-error") == "Choose at least one model."
        page.get_by_role("checkbox", name="verse").check()
        read_text(page, "The ☃ wheel")
        assert re.match("Not read: .*'☃'.*\\.$", page.inner_text("#ranking .error"))
        assert not page.is_visible("#read-shown")
        page.get_by_role("checkbox", name="Leave out unknown").check()
        read_text(page, "The ☃ wheel")
        assert "".join(page.locator("#read-characters i").all_text_contents()) == "The  wheel"
