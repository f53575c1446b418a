from collections.abc import Callable
from pathlib import Path

from charrnn.training.events import Finished
from tests.cli.process import TINY
from tests.conftest import Cli, OpenedPage


def test_the_page_shows_all_results_of_a_run(
    finished: Finished, cli: Cli, open_page: Callable[[Path], OpenedPage]
) -> None:
    assert cli("plot", "--farthest", "10", "-o", "run.html").code == 0
    page = open_page(Path("run.html")).page
    text = page.inner_text("main")
    for heading in (
        "The run",
        "Loss during training",
        "Text generated during training",
        "Temperature",
    ):
        assert heading in text
    assert "step 30," in text  # a preview
    assert "temperature 0.5" in text
    assert "is too short to find units that follow" in text
    assert page.evaluate("Array.from(document.images).every((image) => image.naturalWidth > 100)")


def test_the_page_names_the_parts_that_are_missing_without_the_text(
    finished: Finished,
    text_file: Path,
    cli: Cli,
    open_page: Callable[[Path], OpenedPage],
) -> None:
    text_file.unlink()
    finished.run.metrics_path.unlink()
    assert cli("plot", "-o", "run.html").code == 0
    text = open_page(Path("run.html")).page.inner_text("main")
    assert "This run has no recorded losses yet." in text
    assert "Surprising lines, units and memory are missing" in text
    assert "verse.txt" in text


def test_the_caption_describes_only_lines_that_the_plot_has(text_file: Path, cli: Cli) -> None:
    for held_out, has_held_out in (("0.1", True), ("0", False)):
        train = ("train", text_file, "-o", f"run-{held_out}", "--val-fraction", held_out)
        assert cli(*train, *TINY).code == 0
        assert cli("plot", f"run-{held_out}", "--farthest", "10", "-o", "run.html").code == 0
        caption = Path("run.html").read_text("utf-8").partition("<figcaption>")[2]
        caption = caption.partition("</figcaption>")[0]
        assert "Loss on the training text" in caption
        assert ("held-out text" in caption, "5-gram" in caption) == (has_held_out, has_held_out)
