"""Checks of every request before it is answered, and headers of every answer.

- The Host header must be a name of this machine. So a page of another site cannot reach the server
  through a name that resolves to this machine (DNS rebinding).
- The Origin header, if there is one, must be the server itself. So another site cannot post.
- A request to the API must not come from a page of another site, also without an Origin header, as
  for an image (Sec-Fetch-Site).
- With an API key, requests to the API must have it.
"""

import contextlib
import hmac
import ipaddress
import re
import socket
from collections.abc import Iterable
from typing import Any

from charrnn.serve.api_errors import ApiError
from charrnn.serve.completions import Message, Receive, Send
from charrnn.serve.json_response import answer_error
from charrnn.serve.metrics import Metrics
from charrnn.serve.stopping import Stopping

LOOPBACK = ("127.0.0.1", "localhost", "::1")

_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]/@]+)(?::\d{1,5})?")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_REPORT_POLICY = "frame-ancestors 'none'"  # the page itself has a policy with hashes
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
]
_PROTECTED = ("/v1/", "/metrics")


class Guard:
    """ASGI middleware with these checks."""

    def __init__(
        self, app: Any, *, host: str, api_key: str | None, metrics: Metrics, stopping: Stopping
    ) -> None:
        self._app, self._metrics, self.stopping = app, metrics, stopping
        self._api_key = api_key.encode() if api_key else None
        self._is_loopback = host in LOOPBACK
        self._hosts = {"localhost", "127.0.0.1", "[::1]"}
        if not self._is_loopback:
            self._hosts |= {*_names_of_this_machine(), host.lower(), f"[{host.lower()}]"}

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer a request, or reject it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        path, has_started = scope["path"], False

        async def send_guarded(message: Message) -> None:
            nonlocal has_started
            if message["type"] == "http.response.start":
                has_started = True
                policy = _REPORT_POLICY if path.endswith("/report") else _POLICY
                added = [*_HEADERS, (b"content-security-policy", policy.encode())]
                message["headers"] = [*message.get("headers", []), *added]
                route = scope.get("route")
                name = getattr(route, "path", "other")
                self._metrics.count_request(name, message["status"])
            await send(message)

        try:
            self._check(scope)
            await self._app(scope, receive, send_guarded)
        except ApiError as error:
            if has_started:
                raise
            await answer_error(error)(scope, receive, send_guarded)

    def _check(self, scope: Any) -> None:
        host = _only(scope["headers"], b"host")
        match = _HOST.fullmatch(host or "")
        hosts = self._hosts
        if not self._is_loopback and scope.get("server"):
            hosts = hosts | _names_of_address(str(scope["server"][0]))
        if match is None or match[1].lower().rstrip(".") not in hosts:
            raise ApiError(403, "the Host header is not a name of this machine")
        origins = [value for name, value in scope["headers"] if name == b"origin"]
        own = f"{scope['scheme']}://{host}".lower().encode()
        if origins and [origin.lower() for origin in origins] != [own]:
            raise ApiError(403, "requests from pages of other sites are not accepted")
        site = _only(scope["headers"], b"sec-fetch-site") or "none"
        if site not in ("same-origin", "none") and scope["path"].startswith(_PROTECTED):
            raise ApiError(403, "requests from pages of other sites are not accepted")
        if self._api_key is not None and scope["path"].startswith(_PROTECTED):
            given = _only(scope["headers"], b"authorization") or ""
            key = given.removeprefix("Bearer ").encode("latin-1", "replace")
            if not hmac.compare_digest(key, self._api_key):
                raise ApiError(
                    401,
                    "the API key is missing or wrong: send the header Authorization: Bearer KEY",
                    code="invalid_api_key",
                    headers={"WWW-Authenticate": "Bearer"},
                )


def _only(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> str | None:
    """Return the value of a header, None if it is missing or occurs twice."""
    values = [value for name, value in headers if name == wanted]
    return values[0].decode("latin-1") if len(values) == 1 else None


def _names_of_address(address: str) -> set[str]:
    """Return how a Host header may write the address at which a request arrived."""
    names = {address, f"[{address}]"}
    with contextlib.suppress(ValueError):
        parsed = ipaddress.ip_address(address)
        if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
            names.add(str(parsed.ipv4_mapped))
    return names


def _names_of_this_machine() -> set[str]:
    name = socket.gethostname().lower()
    return {name, f"{name}.local", socket.getfqdn().lower()}
