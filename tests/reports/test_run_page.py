from collections.abc import Callable
from pathlib import Path

from charrnn.training.events import Finished
from tests.conftest import Cli, OpenedPage


def test_a_whole_run_is_on_one_page(
    finished: Finished, cli: Cli, opened: Callable[[Path], OpenedPage]
) -> None:
    assert cli("plot", "--farthest", "10", "-o", "run.html").code == 0
    page = opened(Path("run.html")).page
    text = page.inner_text("main")
    for heading in ("The run", "Curves", "What it wrote while it learnt", "Temperature"):
        assert heading in text
    assert "step 30," in text  # a preview
    assert "temperature 0.5" in text
    assert "is too short to find units" in text
    assert page.evaluate("Array.from(document.images).every((each) => each.naturalWidth > 100)")


def test_a_page_of_a_run_whose_text_is_gone_says_so(
    finished: Finished,
    text_file: Path,
    cli: Cli,
    opened: Callable[[Path], OpenedPage],
) -> None:
    text_file.unlink()
    finished.run.metrics_path.unlink()
    assert cli("plot", "-o", "run.html").code == 0
    text = opened(Path("run.html")).page.inner_text("main")
    assert "This run has no curve yet." in text
    assert "Surprising lines, cells and memory are missing here" in text
    assert "verse.txt" in text
