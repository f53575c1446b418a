"""A server that texts are downloaded from, with many kinds of faults."""

import hashlib
import io
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from charrnn.data.catalogue import CatalogueEntry

TEXT = b"a text from far away, in many lines\n" * 30_000
SHA256 = hashlib.sha256(TEXT).hexdigest()


class Site(ThreadingHTTPServer):
    """A server of a text with many kinds of faults; records the path and range of each request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[tuple[str, str | None]] = []
        self.text = TEXT
        self.faults = 1
        """How many requests for /cut and similar paths fail before they succeed."""

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{path}"


class Handler(BaseHTTPRequestHandler):
    server: Site
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        path = self.path.strip("/")
        self.server.requests.append((path, self.headers["Range"]))
        if path == "moved":
            self.send(302, b"", Location="/whole")
        elif path in ("missing", "works/missing.txt"):
            self.send(404, b"")
        elif path == "works/play.txt":
            self.send(200, b"\tACT I\n\nKING\tSpeak.\n")
        elif path == "busy" and self.consume_fault():
            self.send(503, b"")
        elif path == "zip":
            buffer = io.BytesIO()
            with zipfile.ZipFile(buffer, "w") as archive:
                archive.writestr("inside", self.server.text)
            self.send(200, buffer.getvalue())
        elif path == "wrong":
            self.send(200, self.server.text[::-1])
        elif path == "partial" and self.consume_fault():  # a part that was not requested
            self.send(206, self.server.text[:10], ETag='"one"')
        elif path == "changed" and self.consume_fault():  # a server that ignores If-Range
            self.send(206, self.server.text[::-1][10:], ETag='"two"')
        else:
            self.send_text(is_cut=path == "cut" and self.consume_fault())

    def consume_fault(self) -> bool:
        """Return whether this request must fail."""
        self.server.faults -= 1
        return self.server.faults >= 0

    def send_text(self, is_cut: bool) -> None:
        first = 0
        if self.headers["Range"] and self.headers["If-Range"] == '"one"':
            first = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        body = self.server.text[first:]
        self.send(206 if first else 200, body, len(body) // 2 if is_cut else None, ETag='"one"')

    def send(self, code: int, body: bytes, num_sent: int | None = None, **headers: str) -> None:
        self.send_response(code)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body[:num_sent])
        self.close_connection = True


def make_entry(
    site: Site, *paths: str, sha256: str | None = SHA256, **fields: Any
) -> CatalogueEntry:
    urls = tuple(site.url(path) for path in paths)
    fields = {"title": "", "language": "", "licence": "", **fields}
    return CatalogueEntry(name="far", urls=urls, sha256=sha256, **fields)
