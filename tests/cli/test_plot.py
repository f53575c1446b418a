import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from charrnn.reports.plots import draw_curves
from charrnn.runs.curves import Curves, Series, read_curves
from charrnn.training.events import Finished
from tests.cli.process import TINY
from tests.conftest import Cli


def test_a_run_without_losses_gives_an_empty_plot(finished: Finished, cli: Cli) -> None:
    finished.run.metrics_path.unlink()
    assert read_curves([finished.run]).series == ()
    assert cli("plot").out == "there is no data to plot yet\n"
    assert cli("plot", "-o", "curve.png").code == 0


def test_curves_fit_in_80_columns(
    finished: Finished, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    outcome = cli("plot", "--unit", "nats")
    assert outcome.code == 0
    assert "loss (nats per character)" in outcome.out
    assert max(map(len, outcome.out.splitlines())) <= 80


@pytest.mark.parametrize("arguments", [(), ("--memory", "--farthest", "10", "--text", "long.txt")])
def test_images_have_the_format_of_their_suffix_and_are_reproducible(
    arguments: tuple[str, ...], finished: Finished, text_file: Path, cli: Cli
) -> None:
    Path("long.txt").write_text(text_file.read_text() * 2)
    assert cli("plot", *arguments, "-o", "a.svg").code == 0
    assert ElementTree.parse("a.svg").getroot().tag.endswith("svg")
    assert cli("plot", *arguments, "-o", "a.png").code == 0
    assert Path("a.png").read_bytes().startswith(b"\x89PNG")
    first = Path("a.svg").read_bytes()
    assert cli("plot", *arguments, "-o", "a.svg").code == 0
    assert Path("a.svg").read_bytes() == first


@pytest.mark.parametrize("high", [1.0, 100.0])
def test_an_image_says_that_it_leaves_out_the_start(high: float) -> None:
    line = Series("run train", ((0, 4.0), (10, 0.5)), "train")
    curves = Curves((line,), (), "steps", "loss", 0.0, high)
    image = draw_curves(curves, "svg").decode()
    assert ("The steep fall at the start is not shown." in image) == (high == 1.0)


def test_a_run_name_is_not_parsed_as_mathematics(finished: Finished, cli: Cli) -> None:
    finished.run.path.rename(finished.run.path.with_name("_a$b$漢"))
    other = finished.run.path.with_name("other")
    assert cli("train", "verse.txt", "-o", other, *TINY).code == 0
    assert cli("plot", "_a$b$漢", "other", "-o", "a.svg").code == 0


def test_without_matplotlib_the_error_shows_how_to_install_it(
    finished: Finished, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    outcome = cli("plot", "-o", "a.png")
    assert outcome.code == 1
    assert 'pip install "matplotlib>=3.9"' in outcome.err
    assert cli("plot").code == 0


@pytest.mark.parametrize(
    "arguments", [("-o", "a.pdf"), ("verse", "verse", "-o", "a.html"), ("--memory", "-o", "a.html")]
)
def test_an_unsupported_plot_is_wrong_usage(
    arguments: tuple[str, ...], finished: Finished, cli: Cli
) -> None:
    assert cli("plot", *arguments).code == 2


def test_the_text_for_memory_is_read_as_the_text_of_each_run(cli: Cli, text_file: Path) -> None:
    Path("crlf.txt").write_bytes((text_file.read_bytes() * 2).replace(b"\n", b"\r\n"))
    cli("train", "crlf.txt", "--newline", "lf", "-o", "run", *TINY)
    options = ("plot", "run", "--memory", "--farthest", 10, "--text", "crlf.txt")
    assert cli(*options).code == 0
    assert "carriage return (U+000D)" in cli(*options, "--newline", "keep").err
