"""A server in a process of its own, and clients that use little time, for `serving.py`."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any


class ServerProcess:
    """A server in a process of its own."""

    def __init__(self, model: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "charrnn", "serve", model, "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline().rpartition(":")[2])
        self.model = model

    def memory(self) -> float:
        """Return the memory of the process in megabytes."""
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def threads(self) -> int:
        """Return the number of threads of the process."""
        return len(list(Path(f"/proc/{self._process.pid}/task").iterdir()))

    def close(self) -> None:
        """Stop the server."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(timeout=30)


@contextlib.contextmanager
def serving(model: str) -> Iterator[ServerProcess]:
    """Run a server."""
    server = ServerProcess(model)
    try:
        yield server
    finally:
        server.close()


class Client:
    """A connection that sends requests one after the other and reads the answers as bytes."""

    def __init__(self, server: ServerProcess, receive_buffer: int | None = None) -> None:
        self._server, self._receive_buffer = server, receive_buffer
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def send(self, path: str, body: dict[str, Any] | None = None) -> None:
        """Send a request; connect if there is no connection."""
        if self._writer is None:
            connection = socket.create_connection(("127.0.0.1", self._server.port))
            if self._receive_buffer:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer)
            self._reader, self._writer = await asyncio.open_connection(
                sock=connection, limit=self._receive_buffer or 1 << 20
            )
        content = b"" if body is None else json.dumps(body).encode()
        method = "GET" if body is None else "POST"
        self._writer.write(
            f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(content)}\r\n\r\n".encode()
            + content
        )
        await self._writer.drain()

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the parts of the body of an answer as they arrive."""
        assert self._reader is not None
        head = await self._reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode())
        lower = head.lower()
        if b"content-length:" in lower:
            length = int(lower.partition(b"content-length:")[2].partition(b"\r\n")[0])
            yield await self._reader.readexactly(length)
            return
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            yield (await self._reader.readexactly(size + 2))[:-2]
        await self._reader.readexactly(2)

    async def get(self, path: str, body: dict[str, Any] | None = None) -> bytes:
        """Return the body of an answer."""
        await self.send(path, body)
        return b"".join([chunk async for chunk in self.chunks()])

    def close(self) -> None:
        """Close the connection, also in the middle of an answer."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None


def describe_ratio(own: list[float], others: list[float]) -> str:
    """Return the median ratio of pairs, its range, and the median speed."""
    ratios = [mine / other for mine, other in zip(own, others, strict=True)]
    return (
        f"{statistics.median(own):,.0f} characters per second, {statistics.median(ratios):.2f} "
        f"({min(ratios):.2f} to {max(ratios):.2f})"
    )


def quantile(values: list[float], share: float) -> float:
    """Return the smallest value that is not exceeded by this share of the values."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]
