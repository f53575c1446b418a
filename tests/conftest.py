import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from charrnn.config import ModelConfig, TrainConfig
from charrnn.corpus import Corpus
from charrnn.events import Event, Finished
from charrnn.training import train

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


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


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


def last_event(events: list[Event]) -> Finished:
    assert isinstance(events[-1], Finished)
    return events[-1]


@pytest.fixture
def cli(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """Call the command line in this process, as `charrnn ARGUMENTS` would be."""
    from charrnn.cli import main

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
