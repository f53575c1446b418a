import json
import math
from collections.abc import Callable
from pathlib import Path

from charrnn.training.events import Finished
from tests.conftest import Cli, OpenedPage


def test_the_page_shows_what_the_model_expected(
    finished: Finished,
    text_file: Path,
    cli: Cli,
    open_page: Callable[[Path], OpenedPage],
) -> None:
    assert cli("score", text_file, "--per-char", "-o", "page.html").code == 0
    page = open_page(Path("page.html")).page
    shown = page.inner_text("#text").replace("↵", "")
    assert shown.split() == text_file.read_text().split()
    report = json.loads(cli("score", text_file, "--per-char", "--json").out)
    page.hover("#text i >> nth=30")
    tip = page.inner_text("#tip").splitlines()
    character = text_file.read_text()[30]
    assert tip[0] == f"{character}: {report['nats'][29] / math.log(2):.2f} bits"
    assert len(tip) == 7
    page.hover("#text i >> nth=0")
    assert page.inner_text("#tip") == "F: the first character has no prediction"
