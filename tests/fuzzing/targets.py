"""What is fuzzed: readers of untrusted bytes. A target raises only charrnn's own errors.

The first byte of an input selects the kind of file, or the path of a request; the rest is its
content. A target is made in an empty folder, which it may use.
"""

import contextlib
import gzip
import http.client
import json
import threading
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, cast

import typer.main

from charrnn.cli.app import app
from charrnn.cli.usage import ParserError
from charrnn.data.corpus import Corpus
from charrnn.errors import CharrnnError, CheckpointError, CorpusError
from charrnn.model.loading import load_checkpoint
from charrnn.runs import manifest
from charrnn.runs.run import Run
from charrnn.runs.summary import summarize_run
from charrnn.runs.verification import verify_run
from charrnn.serve.application import make_application
from charrnn.serve.server import listen, make_server
from charrnn.training.loop import train
from tests.conftest import TINY_MODEL, TINY_TRAINING, VERSE, last_event


class Target(ABC):
    """Reads an input; raises any error that a user must not see."""

    @abstractmethod
    def seeds(self) -> list[bytes]:
        """Return valid inputs, from which the fuzzer starts."""

    @abstractmethod
    def read(self, data: bytes) -> None:
        """Read one input."""

    def close(self) -> None:  # noqa: B027 - most targets have nothing to end
        """End what the target has started."""


class Checkpoints(Target):
    """Files of a run: one is replaced, and the manifest is made valid again."""

    def __init__(self) -> None:
        corpus = Corpus.from_text(VERSE * 3, name="verse")
        run = last_event(list(train(corpus, TINY_TRAINING, TINY_MODEL, out_dir="run"))).run
        for checkpoint in run.checkpoints()[:-1]:
            for file in checkpoint.path.iterdir():
                file.unlink()
            checkpoint.path.rmdir()
        self._run = run.path
        self._folder = run.select("last").path
        self._files = [run.path / "config.json", *sorted(self._folder.iterdir())]
        self._intact = [file.read_bytes() for file in self._files]

    def seeds(self) -> list[bytes]:
        return [bytes([number]) + data for number, data in enumerate(self._intact)]

    def read(self, data: bytes) -> None:
        number = data[0] % len(self._files) if data else 0
        contents = dict(zip(self._files, self._intact, strict=True))
        contents[self._files[number]] = data[1:]
        if self._files[number].name != "manifest.json":
            self._sign(contents)
        for file, content in contents.items():
            file.write_bytes(content)
        with contextlib.suppress(CheckpointError):
            run = Run.open(self._run)
            verify_run(run)
            summarize_run(run)
            checkpoint = run.select("last", ("model", "trainer"))
            checkpoint.load_gradient_squares()
            load_checkpoint(checkpoint)

    def _sign(self, contents: dict[Path, bytes]) -> None:
        """Write the SHA-256 of every file into the manifest."""
        path = self._folder / "manifest.json"
        record = json.loads(contents[path])
        del record["digest"]
        for name in record["files"]:
            record["files"][name] = manifest.file_record(contents[self._folder / name])
        squares = self._folder / "gradient_squares.safetensors"
        record["gradient_squares"] = manifest.file_record(contents[squares])
        record["config"] = manifest.file_record(contents[self._run / "config.json"])
        contents[path] = manifest.to_json_bytes(manifest.with_digest(record))


class Texts(Target):
    """Texts for training, of every encoding and format of a container."""

    _SUFFIXES = (".txt", ".gz", ".zip", ".docx", ".pdf", ".py", ".json", ".tar")

    def seeds(self) -> list[bytes]:
        texts = [VERSE.encode(encoding) for encoding in ("utf-8", "utf-16", "utf-32", "utf-7")]
        texts += [gzip.compress(VERSE.encode()), "ß\x1cé\r\n".encode("latin-1") * 20, b"PK\3\4"]
        return [bytes([number]) + text for number, text in enumerate(texts)]

    def read(self, data: bytes) -> None:
        suffix = self._SUFFIXES[data[0] % len(self._SUFFIXES)] if data else ".txt"
        path = Path("text").with_suffix(suffix)
        path.write_bytes(data[1:])
        with contextlib.suppress(CorpusError):
            corpus = Corpus.open(str(path))
            corpus.vocabulary.decode(corpus.codes)
        path.unlink()


class Settings(Target):
    """Files for `charrnn train --config`."""

    _SUFFIXES = (".toml", ".json")

    def __init__(self) -> None:
        group = cast(Any, typer.main.get_command(app))
        self._command = group.commands["train"]

    def seeds(self) -> list[bytes]:
        return [
            b'\0max-time = "5m"\nbatch_size = 16\ndropout = 0.2\ndocuments = true\n',
            b'\0[settings]\nlearning-rate = 4e-3\ndevice = "cpu"\n',
            b'\1{"settings": {"epochs": 3, "dropout": 0.1, "text": {}}}',
        ]

    def read(self, data: bytes) -> None:
        path = Path("settings").with_suffix(self._SUFFIXES[data[0] % 2] if data else ".toml")
        path.write_bytes(data[1:])
        with contextlib.suppress(CharrnnError, ParserError):
            arguments = ["text.txt", "--config", str(path)]
            self._command.make_context("train", arguments)


class Requests(Target):
    """Requests to `charrnn serve`: an answer never has the status of a bug, 500."""

    _PATHS: ClassVar = ("completions", "score", "activity")

    def __init__(self) -> None:
        text = Corpus.from_text(VERSE * 4, name="verse")
        last_event(list(train(text, TINY_TRAINING, TINY_MODEL, out_dir="checkpoints/verse")))
        listening = listen("127.0.0.1", 0)
        self._server = make_server(make_application(["verse"]))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listening]})
        self._thread.start()
        port = listening.getsockname()[1]
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def seeds(self) -> list[bytes]:
        completion: dict[str, Any] = {"model": "verse", "prompt": "The ", "max_tokens": 3}
        bodies: list[tuple[int, dict[str, Any]]] = [
            (0, completion),
            (0, completion | {"temperature": 0.5, "logprobs": 2, "stop": ["\n"], "n": 2}),
            (0, completion | {"stream": True, "stream_options": {"include_usage": True}}),
            (1, {"model": "verse", "text": "The wheel"}),
            (2, {"model": "verse", "text": "The wheel", "layer": 1, "unit": 3}),
        ]
        return [bytes([number]) + json.dumps(body).encode() for number, body in bodies]

    def read(self, data: bytes) -> None:
        path = self._PATHS[data[0] % len(self._PATHS)] if data else "completions"
        self._connection.request(
            *("POST", f"/v1/{path}", data[1:]), {"Content-Type": "application/json"}
        )
        answer = self._connection.getresponse()
        body = answer.read()
        assert answer.status < 500, (answer.status, body)

    def close(self) -> None:
        self._connection.close()
        self._server.should_exit = True
        self._thread.join()


TARGETS: dict[str, type[Target]] = {
    "checkpoints": Checkpoints,
    "texts": Texts,
    "settings": Settings,
    "requests": Requests,
}
