"""The HTTP protocol of uvicorn with limits for the head of a request.

uvicorn with httptools has none, so that a client could fill the memory with headers.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_MAX_HEAD = 64 * 1024  # bytes
_HEAD_SECONDS = 30.0


class LimitedProtocol(HttpToolsProtocol):
    """Closes a connection whose head is too long, or is not complete in time."""

    _head_bytes = 0
    _is_in_head = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to wait for the first head."""
        super().connection_made(transport)
        self.loop.call_later(_HEAD_SECONDS, self._check_first_head)

    def data_received(self, data: bytes) -> None:
        """Receive a part of a request."""
        if self._is_in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._is_in_head and self._head_bytes > _MAX_HEAD:
            self.transport.close()

    def on_headers_complete(self) -> None:
        """Receive the body from now on."""
        self._is_in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Wait for the head of the next request."""
        self._is_in_head, self._head_bytes = True, 0
        super().on_message_complete()

    def _check_first_head(self) -> None:
        is_first: Any = self.cycle is None
        if is_first and self._is_in_head and not self.transport.is_closing():
            self.transport.close()
