"""A hub on loopback: the part of its HTTP API that downloads and commits of small files use."""

import base64
import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

COMMIT = "c" * 40


class FakeHub:
    """Stores the files of one model, and everything that was sent."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, bytes]] = {"main": {}}
        """The files by branch and name."""
        self.sent: list[bytes] = []
        self.private: bool | None = None
        self.accepts_token = True


class _Server(http.server.ThreadingHTTPServer):
    def __init__(self, hub: FakeHub) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hub, self.address = hub, f"http://127.0.0.1:{self.server_port}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def answer_json(self, value: object) -> None:
        self.answer(200, json.dumps(value).encode(), Content_Type="application/json")

    def record(self) -> bytes:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.hub.sent.append(f"{self.command} {self.path}\n{self.headers}".encode() + body)
        return body

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.record()
        repository, _, rest = self.path.removeprefix("/").partition("/resolve/")
        revision, _, name = rest.partition("/")
        if repository != "owner/name":
            self.answer(404, X_Error_Code="RepoNotFound")
        elif revision not in (*self.server.hub.files, COMMIT):
            self.answer(404, X_Error_Code="RevisionNotFound")
        elif (data := self.server.hub.files.get(revision, {}).get(name)) is None:
            self.answer(404, X_Error_Code="EntryNotFound", X_Repo_Commit=COMMIT)
        else:
            tag = f'"{hashlib.sha1(data).hexdigest()}"'
            self.answer(200, data, ETag=tag, X_Repo_Commit=COMMIT)

    def do_POST(self) -> None:
        body, path = self.record(), self.path
        if not self.server.hub.accepts_token:
            self.answer(401)
        elif path == "/api/repos/create":
            self.server.hub.private = json.loads(body).get("visibility") == "private"
            self.answer_json({"url": f"{self.server.address}/owner/name", "id": "1"})
        elif path == "/api/validate-yaml":
            self.answer_json({"errors": [], "warnings": []})
        elif "/branch/" in path:
            self.server.hub.files[path.rpartition("/")[2]] = dict(self.server.hub.files["main"])
            self.answer_json({})
        elif "/preupload/" in path:
            names = [file["path"] for file in json.loads(body)["files"]]
            mode = {"uploadMode": "regular", "shouldIgnore": False, "oid": None}
            self.answer_json({"files": [{"path": name, **mode} for name in names]})
        elif "/commit/" in path:
            files = self.server.hub.files[path.rpartition("/")[2]]
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    value = line["value"]
                    files[value["path"]] = base64.b64decode(value["content"])
            url = f"{self.server.address}/owner/name/commit/{COMMIT}"
            self.answer_json({"commitUrl": url, "commitOid": COMMIT, "hookOutput": ""})
        else:
            self.answer(404)


@contextmanager
def serve_hub() -> Iterator[tuple[FakeHub, str]]:
    """Serve a hub in a block; yield it and its address."""
    server = _Server(FakeHub())
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.hub, server.address
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
