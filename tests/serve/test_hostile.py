"""2,000 hostile requests: each gets an answer without a traceback, and the server still runs."""

import http.client
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.serve.conftest import RunningServer

NAMES = (
    *("model", "prompt", "max_tokens", "temperature", "top_p", "top_k", "min_p", "n", "stop"),
    *("seed", "stream", "stream_options", "logprobs", "echo", "checkpoint", "ban", "only"),
    *("line_length", "acrostic", "max_copy", "no_repeat", "unknown", "user", "text", "unit"),
    *("per_character", "suffix", "__class__", "num_samples", "length"),
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    # Texts and paths that may mean something to a program.
    | st.sampled_from(["verse", "../verse", "/etc/passwd", "best", "\ud800", "\0", "2:7", "skip"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
BODIES = st.dictionaries(
    st.sampled_from([*NAMES, "\ud800"]) | st.text(max_size=8), VALUES, max_size=6
)
PATHS = st.sampled_from(
    [
        *("/", "/docs", "/health", "/metrics", "/static/", "/static/serve.css", "/v1/models"),
        *("/v1/models/", "/v1/runs", "/v1/runs/verse", "/v1/runs/../verse", "/v1/score"),
        *("/v1/completions", "/v1/runs//events", "*", "//", "/%", "/%00", "/v1/runs/%2e%2e"),
    ]
)
FORBIDDEN = (b"Traceback", b"root:", b"site-packages", b"import ")
SETTINGS = settings(
    deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def check(answer: bytes) -> None:
    for text in FORBIDDEN:
        assert text not in answer


@pytest.fixture(scope="module")
def connection(server: RunningServer) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    yield connection
    connection.close()


@pytest.mark.slow
@settings(SETTINGS, max_examples=1500)
@given(
    path=st.sampled_from(["completions", "score", "activity"]), body=BODIES, is_usual=st.booleans()
)
def test_any_json_gets_an_answer(
    path: str, body: dict[str, Any], is_usual: bool, connection: http.client.HTTPConnection
) -> None:
    usual = {"model": "verse", "max_tokens": 3, "prompt": "The", "text": "The"}
    value: dict[str, Any] = (usual if is_usual else {"max_tokens": 3}) | body
    if isinstance(value["max_tokens"], int) and value["max_tokens"] > 3:
        value["max_tokens"] = 3
    if isinstance(value.get("n"), int) and value["n"] > 2:
        value["n"] = 2
    headers = {"Content-Type": "application/json"}
    connection.request("POST", f"/v1/{path}", json.dumps(value), headers)
    response = connection.getresponse()
    content = response.read()
    check(content)
    assert response.status in (200, 400, 404, 422)
    if response.status >= 400:
        message = json.loads(content)["error"]["message"]
        assert 0 < len(message) < 1000
        assert "\n" not in message


@settings(SETTINGS, max_examples=500)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT", "TRACE", "G\tET"]),
    path=PATHS | st.text(st.characters(codec="latin-1"), max_size=20),
    names=st.lists(
        st.sampled_from(["Host: localhost", "Host: a", "Content-Length: 3", "Content-Length: -1"])
        | st.sampled_from(["Transfer-Encoding: chunked", "Origin: null", "Expect: 100-continue"])
        | st.sampled_from(
            ["Content-Type: application/json", "Upgrade: websocket", "X: " + "y" * 999]
        )
        | st.text(st.characters(codec="latin-1"), max_size=20),
        max_size=5,
    ),
    body=st.binary(max_size=30),
)
def test_any_bytes_get_an_answer_or_end_the_connection(
    method: str, path: str, names: list[str], body: bytes, server: RunningServer
) -> None:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *names, "", ""]
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall("\r\n".join(lines).encode("latin-1") + body)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while part := _receive(connection):
            answer += part
    if path not in ("/docs", "/", "/static/serve.css"):
        check(answer)
    assert not answer or answer.startswith((b"HTTP/1.1 ", b"HTTP/1.0 "))
    assert not answer.startswith((b"HTTP/1.1 5", b"HTTP/1.0 5"))


def _receive(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except ConnectionResetError:
        return b""


def test_the_server_still_runs(server: RunningServer) -> None:
    assert server.get("/health").json() == {"status": "ok"}
    assert len(server.complete(prompt="The", max_tokens=5)["choices"][0]["text"]) == 5
