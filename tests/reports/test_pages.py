"""Pages show any text literally, run no script from it, and make no network requests."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from charrnn.reports import pages
from charrnn.training.loop import train
from tests.conftest import TINY_MODEL, TINY_TRAINING, Cli, OpenedPage

HOSTILE = "</pre></script><script>alert(1)</script><img src=x onerror=alert(2)>&amp;'\"\u2028]]>"


def render_neurons_page(text: str) -> str:
    activity = [index / 100 for index in range(len(text))]
    return pages.render_page(
        "neurons.html",
        title=text,
        run=text,
        step=3,
        network=text,
        text_name=text,
        units="4",
        feature_units=[],
        meanings={},
        windows=[
            {
                "title": text,
                "anchor": None,
                "note": text,
                "colored_text": pages.color_by_activity(text, activity),
            }
        ],
    )


def render_surprise_page(text: str) -> str:
    bits = [index / 7 for index in range(len(text))]
    return pages.render_page(
        "surprise.html",
        title=text,
        scripts=["surprise.js"],
        text_name=text,
        run=text,
        step=3,
        nats=1.0,
        bits=1.0,
        characters=len(text),
        shown=len(text),
        colored_text=pages.color_by_surprise(text, bits),
        lines=[],
        data={
            "vocabulary": [text],
            "bits": bits,
            "expected": [[0, 1000] for _ in text],
        },
    )


@pytest.mark.parametrize("render", [render_neurons_page, render_surprise_page])
def test_hostile_text_is_shown_literally(
    render: Callable[[str], str], tmp_path: Path, open_page: Callable[[Path], OpenedPage]
) -> None:
    path = tmp_path / "page.html"
    path.write_text(render(HOSTILE), encoding="utf-8")
    page = open_page(path).page
    assert page.inner_text("pre").replace("\u2028", "") == HOSTILE.replace("\u2028", "")
    assert page.title().startswith(HOSTILE.split("\u2028", maxsplit=1)[0])
    assert page.locator("main img").count() == 0


def test_the_policy_blocks_other_scripts(
    tmp_path: Path, open_page: Callable[[Path], OpenedPage]
) -> None:
    changed = render_neurons_page("x").replace(
        "</main>", "<script>document.title='run'</script></main>"
    )
    path = tmp_path / "page.html"
    path.write_text(changed)
    browser_page = open_page(path)
    assert browser_page.page.title() == "x"
    assert "Content Security Policy" in browser_page.messages[0]
    browser_page.messages.clear()


@pytest.mark.parametrize("render", [render_neurons_page, render_surprise_page])
def test_the_policy_allows_nothing_by_default(render: Callable[[str], str]) -> None:
    match = re.search(r'Content-Security-Policy" content="([^"]*)"', render("x"))
    assert match
    policy = match[1].replace("&#39;", "'")
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "http" not in policy


@pytest.mark.parametrize(
    ("activity", "level"), [(0, "p0"), (1, "p6"), (-1, "n6"), (0.5, "p3"), (-0.05, "p0")]
)
def test_activities_map_to_shades(activity: float, level: str) -> None:
    assert pages.color_by_activity("x", [activity]) == f"<i class={level}>x</i>"


@pytest.mark.parametrize(
    ("bits", "level"), [(0, 0), (0.99, 0), (1, 1), (8.5, 8), (9, 9), (40, 9), (float("inf"), 9)]
)
def test_surprise_has_one_shade_per_bit(bits: float, level: int) -> None:
    assert pages.choose_surprise_level(bits) == level


def test_neighbors_of_one_shade_are_merged_in_activity_maps_only() -> None:
    colored = pages.color_by_activity("a\nbc", [1, 1, 1, -1])
    assert colored == "<i class=p6>a↵\nb</i><i class=n6>c</i>"
    assert pages.color_by_surprise("ab", [0, 0]).count("<i") == 2


@pytest.mark.parametrize("page", ["plot", "export", "neurons", "score"])
def test_hostile_run_names_and_texts_are_harmless_in_every_page(
    page: str,
    tmp_path: Path,
    cli: Cli,
    open_page: Callable[[Path], OpenedPage],
) -> None:
    hostile = "<script>alert(1)<!--"
    text = tmp_path / "<img src=x onerror=alert(2)>.txt"
    line = "</pre></script><script>alert(3)</script><img src=x onerror=alert(4)>&lt;\"'\n"
    text.write_text(line * 40)
    list(train(str(text), TINY_TRAINING, TINY_MODEL, out_dir=hostile))
    arguments: dict[str, list[object]] = {
        "plot": ["--farthest", "10"],
        "export": ["--to", "html"],
        "neurons": ["--text", text, "--unit", "1:1"],
        "score": ["--per-char"],
    }
    assert cli(page, hostile, *arguments[page], "-o", "page.html").code == 0
    browser_page = open_page(Path("page.html")).page
    if page == "export":
        browser_page.wait_for_selector("#text[data-done]")
    assert hostile in browser_page.inner_text("main")
    assert browser_page.evaluate(
        "Array.from(document.images).every((image) => image.src.startsWith('data:'))"
    )
    assert browser_page.locator("script").count() <= 4
