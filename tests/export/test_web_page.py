"""The exported page, opened in a browser, generates the same text as charrnn."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from charrnn.config.sampling import SampleConfig
from charrnn.export import web_page
from charrnn.runs.find import find_run
from charrnn.sampling.engines.selection import engine_for_checkpoint
from charrnn.sampling.filters import Filters, distribution
from charrnn.sampling.loop import generate
from tests.conftest import Cli, OpenedPage
from tests.export.small_models import train_checkpoint

PAGE = "document.getElementById('text').textContent"


def generate_on_page(opened_page: OpenedPage, prompt: str, temperature: float, length: int) -> str:
    """Type a prompt, move the slider, and return the text of the page when it is complete."""
    page = opened_page.page
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


@pytest.mark.parametrize("without_wasm", [False, True])
def test_the_page_generates_the_text_of_the_8_bit_engine(
    without_wasm: bool,
    text_file: Path,
    cli: Cli,
    open_page: Callable[[Path], OpenedPage],
) -> None:
    checkpoint = train_checkpoint(text_file)
    outcome = cli("export", "lstm", "--to", "html")
    assert (outcome.code, outcome.out) == (0, "lstm.html\n")
    browser_page = open_page(Path("lstm.html"))
    if without_wasm:  # as in a browser without WebAssembly vectors
        browser_page.page.evaluate("() => { network.multiply = network.multiplyInScript; }")
    prompt = "FIRST MILLER:\nThe w"
    expected = generate(engine_for_checkpoint(checkpoint), prompt, temperature=0, length=300)[0]
    assert generate_on_page(browser_page, prompt, 0, 300) == prompt + expected


def test_the_page_of_bard_generates_the_text_of_bard(
    cli: Cli, open_page: Callable[[Path], OpenedPage]
) -> None:
    assert cli("export", "bard", "--to", "html", "--no-cells").code == 0
    prompt = "KING:\nWhat "
    expected = generate(
        engine_for_checkpoint(find_run("bard").select("best")), prompt, temperature=0, length=250
    )
    assert generate_on_page(open_page(Path("bard.html")), prompt, 0, 250) == prompt + expected[0]


def test_the_state_equals_that_of_the_8_bit_engine_to_the_last_bit(
    text_file: Path, open_page: Callable[[Path], OpenedPage]
) -> None:
    checkpoint = train_checkpoint(text_file)
    Path("page.html").write_text(web_page.render_web_page(checkpoint, []))
    engine = engine_for_checkpoint(checkpoint)
    codes = engine.vocabulary.encode(text_file.read_text()[:200])
    logits_1V, (hidden_1LH, cells_1LH) = engine.read(codes)
    page = open_page(Path("page.html")).page
    hidden, cells, logits = page.evaluate(
        """(codes) => {
            currentJob++;
            network.reset();
            codes.forEach((code) => network.read(code));
            return [network.hidden_L.map((units) => Array.from(units)),
                Array.from(network.cells_LH), network.computeLogits()];
        }""",
        codes.tolist(),
    )
    assert [units[:20] for units in hidden] == hidden_1LH[0].tolist()
    np.testing.assert_array_equal(np.array(cells, np.float32), cells_1LH[0].ravel())
    np.testing.assert_allclose(logits, logits_1V[0], atol=1e-5)


@pytest.mark.parametrize("separator", ["\n", "\x1c"])
def test_a_page_without_a_prompt_starts_like_a_sample(
    separator: str, text_file: Path, open_page: Callable[[Path], OpenedPage]
) -> None:
    text_file.write_text(text_file.read_text("utf-8") + separator + "The end", "utf-8")
    checkpoint = train_checkpoint(text_file)
    Path("page.html").write_text(web_page.render_web_page(checkpoint, []))
    expected = generate(engine_for_checkpoint(checkpoint), temperature=0, length=60)[0]
    browser_page = open_page(Path("page.html"))
    generate_on_page(browser_page, "x", 0, 60)
    assert generate_on_page(browser_page, "", 0, 60) == expected


def test_a_page_of_documents_generates_whole_documents(
    text_file: Path, open_page: Callable[[Path], OpenedPage]
) -> None:
    checkpoint = train_checkpoint(text_file, separator="e")
    Path("page.html").write_text(web_page.render_web_page(checkpoint, []))
    engine, browser_page = engine_for_checkpoint(checkpoint), open_page(Path("page.html"))
    for prompt in ("Th", "", "a"):
        (expected,) = generate(engine, prompt, temperature=0, length=60)
        assert generate_on_page(browser_page, prompt, 0, 60) == prompt + expected
    page = browser_page.page
    ended = page.evaluate(
        """() => {
            const draw = network.draw;
            const codes = [3, 4, network.separator, 5];
            network.draw = () => codes.shift();
            element("prompt").value = "";
            generate();
            network.draw = draw;
            return [document.getElementById("text").textContent, codes.length];
        }"""
    )
    assert ended == ["".join(engine.vocabulary.characters[code] for code in (3, 4)), 1]


@pytest.mark.parametrize(("temperature", "min_p"), [(0.8, 0.05), (1.3, 0.4), (1, 0), (0.5, 1)])
def test_the_page_draws_from_the_distribution_of_a_sample(
    temperature: float, min_p: float, text_file: Path, open_page: Callable[[Path], OpenedPage]
) -> None:
    Path("page.html").write_text(web_page.render_web_page(train_checkpoint(text_file), []))
    page = open_page(Path("page.html")).page
    logits = [2.0, -1.0, 0.5, 1.0, 2.0 - 3.2]
    weights = page.evaluate(
        "([logits, ...settings]) => network.weigh(logits, ...settings)",
        [logits, temperature, min_p],
    )
    config = SampleConfig(temperature=temperature, min_p=min_p)
    expected = distribution(np.array([logits]), Filters.from_config(config))[0]
    np.testing.assert_allclose(np.array(weights) / sum(weights), expected)


def test_the_page_has_the_default_settings_of_a_sample(
    text_file: Path, open_page: Callable[[Path], OpenedPage]
) -> None:
    Path("page.html").write_text(web_page.render_web_page(train_checkpoint(text_file), []))
    page, default = open_page(Path("page.html")).page, SampleConfig()
    assert float(page.input_value("#temperature")) == default.temperature == 0.9
    assert float(page.input_value("#min-p")) == default.min_p == 0.05
    assert page.inner_text("#min-p-shown") == "0.05"
    page.wait_for_selector("#text[data-done]")
    page.locator("#min-p").fill("1")
    page.locator("#temperature").fill("0.8")
    page.wait_for_selector("#text[data-done]")
    drawn = page.evaluate(
        "() => { network.computeLogits = () => [1, 3, 2.9]; "
        "return [0.05, 1].map((minP) => Math.min(...Array.from({length: 1000}, "
        "() => network.draw(0.8, minP)))); }"
    )
    assert drawn == [0, 1]


def test_temperature_unit_colors_and_unknown_characters(
    text_file: Path, open_page: Callable[[Path], OpenedPage]
) -> None:
    Path("page.html").write_text(web_page.render_web_page(train_checkpoint(text_file), []))
    browser_page = open_page(Path("page.html"))
    careful = {generate_on_page(browser_page, prompt, 0, 80) for prompt in ("The ", "The", "The ")}
    assert len(careful) == 2
    assert (
        len({generate_on_page(browser_page, prompt, 1.5, 80) for prompt in ("The ", "Th", "The ")})
        == 3
    )
    shown = generate_on_page(browser_page, "Thé €", 0, 10)
    assert shown.startswith("Th ")
    assert browser_page.page.inner_text("#note").endswith("model's vocabulary: é €")
    assert browser_page.page.locator("#text i[class]:not([class=''])").count() == 0
    browser_page.page.fill("#unit", "2:20")
    shades = browser_page.page.evaluate("shownCharacters.map((shown) => shown.element.className)")
    activity = browser_page.page.evaluate("shownCharacters.map((shown) => shown.activity[39])")
    assert shades == [
        f"{'n' if round_like_javascript(a) < 0 else 'p'}{abs(round_like_javascript(a))}"
        for a in activity
    ]
    browser_page.page.fill("#unit", "3:1")
    assert "3:1 is not a unit: give a layer from 1 to 2" in browser_page.page.inner_text("#note")


def round_like_javascript(activity: int) -> int:
    """Return the shade of an activity; JavaScript rounds a half up."""
    return int(np.floor(activity / 127 * 6 + 0.5))


@pytest.mark.parametrize("name", ["products", "learning"])
def test_the_wasm_file_is_assembled_from_its_source(name: str) -> None:
    wasmtime = pytest.importorskip("wasmtime")
    folder = Path(web_page.__file__).parent
    assembled = wasmtime.wat2wasm((folder / f"{name}.wat").read_text())
    assert bytes(assembled) == (folder / f"{name}.wasm").read_bytes()


def test_a_page_needs_an_lstm_model(text_file: Path, cli: Cli) -> None:
    train_checkpoint(text_file, "gru")
    outcome = cli("export", "gru", "--to", "html")
    assert outcome.code == 1
    message = outcome.err.replace("\n", " ")
    assert "a web page needs an lstm model, but gru is a gru model" in message
