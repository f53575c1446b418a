import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import torch

from charrnn.config.model import ModelConfig
from charrnn.config.training import ResolvedTrainConfig, TrainConfig
from charrnn.data.corpus import Corpus
from charrnn.training.events import Event, Finished
from charrnn.training.loop import train

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


TINY_MODEL = ModelConfig(num_layers=2, hidden_size=16)
TINY_TRAINING = TrainConfig(
    batch_size=4,
    seq_length=8,
    dropout=0.2,
    max_steps=30,
    eval_every=10,
    log_every=5,
    warmup_steps=5,
    device="cpu",
    precision="float32",  # on every processor
    threads=1,
)
UNREGULARISED = ResolvedTrainConfig(
    batch_size=32,
    seq_length=8,
    dropout=0.0,
    output_dropout=0.0,
    weight_drop=0.0,
    input_dropout=0.0,
    state_drop=0.0,
    loss_temperature=1.0,
    weight_decay=0.0,
    eval_every=10,
    device="cpu",
    precision="float32",
    threads=1,
)
VERSE = """\
FIRST MILLER:
The wheel goes round, the water runs away,
And what it ground it ground but yesterday.

SECOND MILLER:
Then grind again, for hunger keeps no book,
Nor asks the stone how many turns it took.

"""


class Opened(NamedTuple):
    """A page in a browser, and what it said and asked for since."""

    page: "Page"
    complaints: list[str]
    requests: list[str]


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Cli = Callable[..., Outcome]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what needs a GPU where there is none."""
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="there is no NVIDIA GPU"))


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each test in an empty folder with a cache of its own, on one thread."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let sockets connect to this machine alone."""
    plain = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in (
            *("127.0.0.1", "::1", "localhost"),
        ):
            pytest.fail(f"a test asked the network for {address[0]}")
        plain(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)


@pytest.fixture
def corpus() -> Corpus:
    return Corpus.from_text(VERSE * 6, name="verse")


@pytest.fixture
def text_file(tmp_path: Path) -> Path:
    path = tmp_path / "verse.txt"
    path.write_text(VERSE * 4, encoding="utf-8")
    return path


@pytest.fixture
def finished(text_file: Path) -> Finished:
    """A finished tiny run at checkpoints/verse, trained on `text_file`."""
    return last_event(list(train(str(text_file), TINY_TRAINING, TINY_MODEL)))


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    """A headless Chromium; where there is none, tests that open pages are skipped."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("there is no Chromium to open pages in: install the package chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(browser: "Browser") -> Iterator[Callable[[Path], Opened]]:
    """Open a page by its file; at the end it must neither have complained nor asked for more."""
    context = browser.new_context()
    everything: list[Opened] = []

    def open_page(path: Path) -> Opened:
        found = Opened(context.new_page(), [], [])
        found.page.on("console", lambda message: found.complaints.append(message.text))
        found.page.on("pageerror", lambda error: found.complaints.append(str(error)))
        found.page.on("dialog", lambda dialog: found.complaints.append(dialog.message))
        found.page.on("request", lambda request: found.requests.append(request.url))
        found.page.goto(path.resolve().as_uri())
        everything.append(found)
        return found

    yield open_page
    for each in everything:
        assert each.complaints == []
        assert [url for url in each.requests if not url.startswith("data:")] == each.requests[:1]
    context.close()


def last_event(events: list[Event]) -> Finished:
    assert isinstance(events[-1], Finished)
    return events[-1]


@pytest.fixture
def cli(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """Call the command line in this process, as `charrnn ARGUMENTS` would be."""
    from charrnn.cli.app import main

    def call(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["charrnn", *map(str, arguments)])
        code: object = 0
        try:
            main()
        except SystemExit as leaving:
            code = leaving.code or 0
        assert isinstance(code, int)
        return Outcome(code, *capfd.readouterr())

    return call
