import dataclasses
import gc
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import torch

from charrnn.config.model import ModelConfig
from charrnn.config.sampling import SampleConfig
from charrnn.config.training import ResolvedTrainConfig, TrainConfig
from charrnn.data.corpus import Corpus
from charrnn.runs.run import Run
from charrnn.training import dry_run, evaluation
from charrnn.training.events import Evaluated, Event, Finished
from charrnn.training.loop import train
from charrnn.training.setup import new_run
from tests.runs.changed_run import change_config

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


TINY_MODEL = ModelConfig(num_layers=2, hidden_size=16)
TINY_TRAINING = TrainConfig(
    batch_size=4,
    seq_length=8,
    dropout=0.2,
    learning_rate=0.004,
    max_steps=30,
    eval_every=10,
    log_every=5,
    warmup_steps=5,
    device="cpu",
    precision="float32",  # every CPU supports it
    threads=1,
)
UNREGULARIZED = ResolvedTrainConfig(
    batch_size=32,
    seq_length=8,
    dropout=0.0,
    output_dropout=0.0,
    weight_drop=0.0,
    input_dropout=0.0,
    state_drop=0.0,
    loss_temperature=1.0,
    learning_rate=0.004,
    weight_decay=0.0,
    patience=10,
    eval_every=10,
    eval_characters=1_000_000,
    device="cpu",
    precision="float32",
    threads=1,
)
PREVIEW_LENGTH = 60  # characters
# matplotlib lists the fonts of the machine there, which takes ten seconds.
os.environ.setdefault("MPLCONFIGDIR", str(Path(tempfile.gettempdir(), "charrnn-tests-matplotlib")))
VERSE = """\
FIRST MILLER:
The wheel goes round, the water runs away,
And what it ground it ground but yesterday.

SECOND MILLER:
Then grind again, for hunger keeps no book,
Nor asks the stone how many turns it took.

"""


class OpenedPage(NamedTuple):
    """A page in a browser, with its messages (of console, errors and dialogs) and its requests."""

    page: "Page"
    messages: list[str]
    requests: list[str]


class Outcome(NamedTuple):
    """The exit code of a command, and the texts of standard output and standard error."""

    code: int
    out: str
    err: str


Cli = Callable[..., Outcome]


def pytest_collection_finish() -> None:
    """Exclude all objects that exist now from garbage collection, which they would slow down."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests that need a GPU if there is none."""
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="there is no NVIDIA GPU"))


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each test in an empty folder, with an empty cache, on one thread."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _short_previews(monkeypatch: pytest.MonkeyPatch) -> None:
    """Generate shorter texts during training, which otherwise take half of a tiny run's time."""
    monkeypatch.setattr(evaluation, "_PREVIEW", SampleConfig(length=PREVIEW_LENGTH))


@pytest.fixture(autouse=True)
def _short_speed_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure the speed for one step only."""
    monkeypatch.setattr(dry_run, "_PROBE_SECONDS", 0.0)
    monkeypatch.setattr(new_run, "_PROBE_SECONDS", 0.0)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Allow sockets to connect to this machine only."""
    original_connect = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in (
            *("127.0.0.1", "::1", "localhost"),
        ):
            pytest.fail(f"a test connected to {address[0]}")
        original_connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)


@pytest.fixture
def corpus() -> Corpus:
    return Corpus.from_text(VERSE * 6, name="verse")


@pytest.fixture
def text_file(tmp_path: Path) -> Path:
    path = tmp_path / "verse.txt"
    path.write_text(VERSE * 4, encoding="utf-8")
    return path


_finished: dict[tuple[bytes, int], tuple[Path, Finished]] = {}


@pytest.fixture
def finished(text_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A finished tiny run at checkpoints/verse, trained on `text_file`.

    It is trained once in each process, by the first test, and then copied.
    """
    key = text_file.read_bytes(), evaluation._PREVIEW.length
    if key not in _finished:
        event = last_event(list(train(str(text_file), TINY_TRAINING, TINY_MODEL)))
        stored = tmp_path_factory.mktemp("finished") / "run"
        shutil.copytree(event.run.path, stored)
        _finished[key] = stored, event
        return event
    stored, event = _finished[key]
    path = Path("checkpoints/verse")
    shutil.copytree(stored, path)
    change_config(path, lambda config: config["corpus"].update(path=str(text_file)))
    return dataclasses.replace(event, run=Run.open(path))


def held_out_losses(events: Iterable[Event]) -> dict[int, float]:
    """Return the held-out loss of each evaluated step."""
    return {
        event.step: event.val_loss
        for event in events
        if isinstance(event, Evaluated) and event.val_loss is not None
    }


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    """Start a headless Chromium; skip the test if it is not installed."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("Chromium is not installed: install the package chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: "Browser") -> Iterator[Callable[[Path], OpenedPage]]:
    """Open HTML files; at the end, check that there were no messages and no network requests."""
    context = browser.new_context()
    opened_pages: list[OpenedPage] = []

    def open_file(path: Path) -> OpenedPage:
        opened_page = OpenedPage(context.new_page(), [], [])
        opened_page.page.on("console", lambda message: opened_page.messages.append(message.text))
        opened_page.page.on("pageerror", lambda error: opened_page.messages.append(str(error)))
        opened_page.page.on("dialog", lambda dialog: opened_page.messages.append(dialog.message))
        opened_page.page.on("request", lambda request: opened_page.requests.append(request.url))
        opened_page.page.goto(path.resolve().as_uri())
        opened_pages.append(opened_page)
        return opened_page

    yield open_file
    for opened_page in opened_pages:
        assert opened_page.messages == []
        urls = [url for url in opened_page.requests if not url.startswith("data:")]
        assert urls == opened_page.requests[:1]
    context.close()


def last_event(events: list[Event]) -> Finished:
    assert isinstance(events[-1], Finished)
    return events[-1]


@pytest.fixture
def cli(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """Return a function that calls `charrnn ARGUMENTS` in this process."""
    from charrnn.cli.app import main

    def call(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["charrnn", *map(str, arguments)])
        code: object = 0
        try:
            main()
        except SystemExit as exit_:
            code = exit_.code or 0
        assert isinstance(code, int)
        return Outcome(code, *capfd.readouterr())

    return call
