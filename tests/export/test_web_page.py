"""The exported page generates what charrnn generates, opened in a browser."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from charrnn.export import web_page
from charrnn.runs.find import find_run
from charrnn.sampling.engines.selection import engine_for_checkpoint
from charrnn.sampling.loop import generate
from tests.conftest import Cli, OpenedPage
from tests.export.small_models import checkpoint_of

PAGE = "document.getElementById('text').textContent"


def ask(opened: OpenedPage, prompt: str, temperature: float, length: int) -> str:
    """Type a prompt, move the slider, and return what the page shows when it is done."""
    page = opened.page
    page.fill("#length", str(length))
    page.locator("#temperature").fill(str(temperature))
    assert page.inner_text("#temperature-shown") == f"{temperature:.2f}"
    page.wait_for_selector("#text[data-done]")
    page.evaluate("() => { delete document.getElementById('text').dataset.done; }")
    page.fill("#prompt", prompt)
    page.wait_for_selector("#text[data-done]")
    shown = page.evaluate(PAGE)
    assert isinstance(shown, str)
    return shown


@pytest.mark.parametrize("plain", [False, True])
def test_the_page_writes_what_the_8_bit_writer_writes(
    plain: bool,
    text_file: Path,
    cli: Cli,
    opened: Callable[[Path], OpenedPage],
) -> None:
    checkpoint = checkpoint_of(text_file)
    outcome = cli("export", "lstm", "--to", "html")
    assert (outcome.code, outcome.out) == (0, "lstm.html\n")
    found = opened(Path("lstm.html"))
    if plain:  # as where the browser has no vector code
        found.page.evaluate("() => { network.multiply = network.plainProducts; }")
    prompt = "FIRST MILLER:\nThe w"
    expected = generate(engine_for_checkpoint(checkpoint), prompt, temperature=0, length=300)[0]
    assert ask(found, prompt, 0, 300) == prompt + expected


def test_bard_writes_in_a_page_what_it_writes_here(
    cli: Cli, opened: Callable[[Path], OpenedPage]
) -> None:
    assert cli("export", "bard", "--to", "html", "--no-cells").code == 0
    prompt = "KING:\nWhat "
    expected = generate(
        engine_for_checkpoint(find_run("bard").select("best")), prompt, temperature=0, length=250
    )
    assert ask(opened(Path("bard.html")), prompt, 0, 250) == prompt + expected[0]


def test_the_state_is_that_of_the_8_bit_writer_to_the_last_bit(
    text_file: Path, opened: Callable[[Path], OpenedPage]
) -> None:
    checkpoint = checkpoint_of(text_file)
    Path("page.html").write_text(web_page.web_page(checkpoint, []))
    engine = engine_for_checkpoint(checkpoint)
    codes = engine.vocabulary.encode(text_file.read_text()[:200])
    logits_1V, (hidden_1LH, cells_1LH) = engine.read(codes)
    page = opened(Path("page.html")).page
    hidden, cells, logits = page.evaluate(
        """(codes) => {
            job++;
            network.reset();
            codes.forEach((code) => network.read(code));
            return [network.hidden_L.map((each) => Array.from(each)),
                Array.from(network.cells_LH), network.logits()];
        }""",
        codes.tolist(),
    )
    assert [each[:20] for each in hidden] == hidden_1LH[0].tolist()
    np.testing.assert_array_equal(np.array(cells, np.float32), cells_1LH[0].ravel())
    np.testing.assert_allclose(logits, logits_1V[0], atol=1e-5)


def test_a_page_without_a_prompt_begins_as_a_sample_does(
    text_file: Path, opened: Callable[[Path], OpenedPage]
) -> None:
    checkpoint = checkpoint_of(text_file)
    Path("page.html").write_text(web_page.web_page(checkpoint, []))
    expected = generate(engine_for_checkpoint(checkpoint), temperature=0, length=60)[0]
    found = opened(Path("page.html"))
    ask(found, "x", 0, 60)
    assert ask(found, "", 0, 60) == expected


def test_the_slider_the_cells_and_what_is_unknown(
    text_file: Path, opened: Callable[[Path], OpenedPage]
) -> None:
    Path("page.html").write_text(web_page.web_page(checkpoint_of(text_file), []))
    found = opened(Path("page.html"))
    careful = {ask(found, prompt, 0, 80) for prompt in ("The ", "The", "The ")}
    assert len(careful) == 2
    assert len({ask(found, prompt, 1.5, 80) for prompt in ("The ", "Th", "The ")}) == 3
    shown = ask(found, "Thé €", 0, 10)
    assert shown.startswith("Th ")
    assert found.page.inner_text("#note").endswith("does not know them: é €")
    assert found.page.locator("#text i[class]:not([class=''])").count() == 0
    found.page.fill("#unit", "2:20")
    shades = found.page.evaluate("written.map((each) => each.element.className)")
    activity = found.page.evaluate("written.map((each) => each.activity[39])")
    assert shades == [f"{'n' if round_(a) < 0 else 'p'}{abs(round_(a))}" for a in activity]
    found.page.fill("#unit", "3:1")
    assert "3:1 is no unit: a layer from 1 to 2" in found.page.inner_text("#note")


def round_(activity: int) -> int:
    """A shade as JavaScript rounds it: a half upwards."""
    return int(np.floor(activity / 127 * 6 + 0.5))


def test_the_products_are_those_that_the_source_says() -> None:
    wasmtime = pytest.importorskip("wasmtime")
    folder = Path(web_page.__file__).parent
    made = wasmtime.wat2wasm((folder / "products.wat").read_text())
    assert bytes(made) == (folder / "products.wasm").read_bytes()


def test_a_page_is_made_of_lstm_models_alone(text_file: Path, cli: Cli) -> None:
    checkpoint_of(text_file, "gru")
    outcome = cli("export", "gru", "--to", "html")
    assert outcome.code == 1
    assert "a page writes with lstm models, and gru is a gru" in outcome.err.replace("\n", " ")
