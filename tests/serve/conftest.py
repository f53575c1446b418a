import asyncio
import contextlib
import http.client
import json
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import pytest

from charrnn.runs.run import Run
from charrnn.serve.application import make_application
from charrnn.serve.server import listen, make_server
from charrnn.training.events import Finished
from charrnn.training.loop import train
from tests.conftest import TINY_MODEL, TINY_TRAINING, VERSE, last_event


class Answer(NamedTuple):
    """The status, the headers (lower case) and the body of an answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class RunningServer:
    """A server in a thread of this process, and simple requests to it."""

    def __init__(self, port: int) -> None:
        self.port, self.url = port, f"http://127.0.0.1:{port}"

    def request(
        self,
        method: str,
        path: str,
        body: bytes | str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, names, response.read())

    def get(self, path: str, **headers: str) -> Answer:
        return self.request("GET", path, headers=headers)

    def post(self, path: str, value: Any, **headers: str) -> Answer:
        body = json.dumps(value)
        return self.request("POST", path, body, {"Content-Type": "application/json"} | headers)

    def complete(self, **fields: Any) -> Any:
        """Return the object of a completion with the model `verse`."""
        answer = self.post("/v1/completions", {"model": "verse"} | fields)
        assert answer.status == 200, answer.body
        return answer.json()

    def events(self, **fields: Any) -> list[Any]:
        """Return the objects of the events of a completion; check the last one."""
        answer = self.post("/v1/completions", {"model": "verse", "stream": True} | fields)
        assert answer.headers["content-type"].startswith("text/event-stream")
        *events, last, end = answer.body.decode().split("\n\n")
        assert (last, end) == ("data: [DONE]", "")
        return [json.loads(event.removeprefix("data: ")) for event in events]


StartServer = Callable[..., RunningServer]


@contextlib.contextmanager
def running_server(**settings: Any) -> Iterator[RunningServer]:
    """Run a server for the runs in the current folder."""
    listening = listen("127.0.0.1", 0)
    server = make_server(make_application(**settings))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield RunningServer(listening.getsockname()[1])
    server.should_exit = True
    thread.join(timeout=30)
    assert not thread.is_alive()


@pytest.fixture
def start_server() -> Iterator[StartServer]:
    """Return a function that starts a server in the current folder."""
    with contextlib.ExitStack() as stack:
        yield lambda **settings: stack.enter_context(running_server(**settings))


@pytest.fixture(scope="session")
def served_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Train the run `verse` that `server` offers. Tests do not change it."""
    folder = tmp_path_factory.mktemp("served")
    text_file = folder / "verse.txt"
    text_file.write_text(VERSE * 4, encoding="utf-8")
    out_dir = folder / "checkpoints" / "verse"
    events = list(train(str(text_file), TINY_TRAINING, TINY_MODEL, out_dir=out_dir))
    return last_event(events).run


@pytest.fixture(scope="session")
def server(served_run: Run) -> Iterator[RunningServer]:
    """Run a server that offers `verse` and bard, for all tests that only read."""
    with contextlib.chdir(served_run.path.parent.parent), running_server() as server:
        yield server


@pytest.fixture
def own_server(finished: Finished, start_server: StartServer) -> RunningServer:
    """Start a server that offers `finished`, for a test that changes the run."""
    return start_server()


def run_async(function: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run `function` to its end on an event loop of a new thread.

    Playwright's driver keeps an event loop running in the thread of the tests, where `asyncio.run`
    would raise an error.
    """
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(function())).result()
