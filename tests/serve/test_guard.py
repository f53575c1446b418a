import socket

import pytest

from charrnn.errors import CharrnnError
from charrnn.serve.server import check_host
from tests.serve.conftest import RunningServer, StartServer


@pytest.mark.parametrize("host", ["localhost:{port}", "127.0.0.1:{port}", "127.0.0.1", "[::1]:80"])
def test_names_of_this_machine_are_accepted(host: str, server: RunningServer) -> None:
    assert server.get("/health", Host=host.format(port=server.port)).status == 200


@pytest.mark.parametrize(
    "host",
    [
        *("example.com", "example.com:{port}", "127.0.0.1.example.com", "localhost@example.com"),
        *("", "localhost:{port}.example.com", "0x7f000001", "169.254.169.254"),
    ],
)
def test_other_names_are_rejected(host: str, server: RunningServer) -> None:
    answer = server.get("/v1/models", Host=host.format(port=server.port))
    assert answer.status == 403
    assert answer.json()["error"]["message"] == "the Host header is not a name of this machine"


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://127.0.0.1:{port}", 200),
        ("http://localhost:{port}", 403),  # the Host header is 127.0.0.1
        ("http://example.com", 403),
        ("https://127.0.0.1:{port}", 403),
        ("http://127.0.0.1:1", 403),
        ("null", 403),
    ],
)
def test_pages_of_other_sites_are_rejected(origin: str, status: int, server: RunningServer) -> None:
    given = {"Origin": origin.format(port=server.port)}
    body = {"model": "verse", "text": "The wheel"}
    assert server.post("/v1/score", body, **given).status == status


@pytest.mark.parametrize(("site", "status"), [("same-origin", 200), ("cross-site", 403)])
def test_images_of_other_sites_are_rejected(site: str, status: int, server: RunningServer) -> None:
    assert server.get("/v1/runs", **{"Sec-Fetch-Site": site}).status == status
    assert server.get("/", **{"Sec-Fetch-Site": site}).status == 200  # a link to the page


def test_a_long_head_is_cut_off(server: RunningServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ")
        try:
            for _ in range(100):
                connection.sendall(b"x" * 0x10000)
        except OSError:  # the server has closed the connection
            pass
        else:
            pytest.fail("the server read 6 MB of headers")
    assert server.get("/", X="x" * 20_000).status == 200


def test_forms_of_other_sites_are_rejected(server: RunningServer) -> None:
    answer = server.request(
        "POST", "/v1/score", '{"model": "verse", "text": "abc"}', {"Content-Type": "text/plain"}
    )
    assert answer.status == 415


def test_api_key_protects_the_api(start_server: StartServer) -> None:
    server = start_server(api_key="sesame")
    assert server.get("/").status == server.get("/health").status == 200
    for path in ("/v1/models", "/v1/runs", "/metrics"):
        answer = server.get(path)
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert answer.json()["error"]["code"] == "invalid_api_key"
        assert server.get(path, Authorization="Bearer sesam").status == 401
        assert server.get(path, Authorization="Bearer sesame").status == 200


def test_every_answer_has_the_policy(server: RunningServer) -> None:
    for path in ("/", "/docs", "/static/serve.css", "/v1/models", "/nothing"):
        headers = server.get(path).headers
        assert headers["content-security-policy"].startswith(
            "default-src 'none'; script-src 'self'"
        )
        assert headers["x-content-type-options"] == "nosniff"
        assert "server" not in headers


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::"])
def test_other_machines_need_a_key(host: str) -> None:
    check_host(host, "key")
    with pytest.raises(CharrnnError, match="give an API key with --api-key"):
        check_host(host, None)


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"", 400, "the body is not valid JSON, at character 0"),
        (b"{", 400, "not valid JSON"),
        (b"[1]", 400, "the body must be a JSON object"),
        (b'{"model": "\xff"}', 400, "the body is not UTF-8, at byte 11"),
        (b'{"temperature": NaN}', 400, "not valid JSON"),
        (b"[" * 100_000, 400, "not valid JSON"),
        (b'{"seed": ' + b"9" * 5_000 + b"}", 400, "not valid JSON"),
        (b'{"model": "' + b"x" * 1_000_000 + b'"}', 413, "at most 1,000,000 bytes"),
    ],
)
def test_wrong_bodies_give_one_sentence(
    body: bytes, status: int, message: str, server: RunningServer
) -> None:
    answer = server.request("POST", "/v1/completions", body, {"Content-Type": "application/json"})
    assert answer.status == status
    assert message in answer.json()["error"]["message"]


def test_an_endless_body_is_cut_off(server: RunningServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(
            b"POST /v1/score HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        try:
            for _ in range(1000):
                connection.sendall(chunk)
        except OSError:  # the server has closed the connection
            pass
        else:
            pytest.fail("the server read 65 MB")


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST /v1/score HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/models HTTP/1.1\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: example.com\r\n\r\n",
        b"GET /health HTTP/1.1\r\n\r\n",
        b"GET http://example.com/health HTTP/1.1\r\nHost: example.com\r\n\r\n",
    ],
)
def test_ambiguous_requests_are_rejected(request_bytes: bytes, server: RunningServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(request_bytes)
        connection.settimeout(5)
        first_line = connection.recv(4096).partition(b"\r\n")[0]
    assert first_line.split()[1] in (b"400", b"403")


@pytest.mark.parametrize(
    "path",
    [
        *("/static/../../errors.py", "/static/..%2f..%2ferrors.py", "/static//etc/passwd"),
        *("/v1/runs/..%2f..%2fetc", "/v1/runs//etc/passwd", "/v1/runs/verse/../x"),
        *("/v1/models/%00", "/%2e%2e/x"),
    ],
)
def test_no_path_reaches_a_file(path: str, server: RunningServer) -> None:
    answer = server.get(path)
    assert answer.status == 404
    assert b"root:" not in answer.body
    assert b"class " not in answer.body
    assert server.get("/health").json() == {"status": "ok"}
