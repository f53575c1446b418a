"""Start and stop the server."""

import errno
import signal
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable, Sequence
from typing import Any

import uvicorn

from charrnn.data import encoded_cache
from charrnn.errors import CharrnnError
from charrnn.serve.application import make_application
from charrnn.serve.guard import LOOPBACK
from charrnn.serve.protocol import LimitedProtocol

_FIRST_PORT, _NUM_PORTS = 8000, 20  # that are tried if the user gives none
_SWITCH_SECONDS = 0.0005
"""How long one Python thread may delay another. With Python's default of 5 milliseconds, the event
loop would delay each step of a batch."""
_MAX_CONNECTIONS = 1_000
_BACKLOG = 2048  # connections that wait to be accepted
_SEND_BUFFER = 64 * 1024
"""Bytes of an answer that the system keeps for a slow reader; by default it keeps megabytes."""
_END_SECONDS = 2  # for open connections, after Ctrl-C


def run_server(
    names: Sequence[str],
    *,
    host: str,
    port: int | None,
    api_key: str | None,
    open_browser: bool,
    show_address: Callable[[str], None],
) -> None:
    """Serve runs until Ctrl-C; raise `CharrnnError` if the address cannot be used."""
    application = make_application(names, host=host, api_key=api_key)
    listening = listen(host, port)
    used_port = listening.getsockname()[1]
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    address = f"http://{f'[{shown}]' if ':' in shown else shown}:{used_port}"
    sys.setswitchinterval(_SWITCH_SECONDS)
    encoded_cache.write_copies = False  # no request changes anything on disk
    # At the end, uvicorn raises the signal that it received again.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    show_address(address)
    if open_browser:  # a browser of the terminal would wait for the server
        threading.Thread(target=webbrowser.open, args=[address], daemon=True).start()
    make_server(application).run(sockets=[listening])


def make_server(application: Any) -> uvicorn.Server:
    """Return the server of an application; its method `run` takes a socket that is bound."""
    config = uvicorn.Config(
        application,
        http=LimitedProtocol,
        log_level="error",
        access_log=False,
        ws="none",
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_MAX_CONNECTIONS,
        timeout_graceful_shutdown=_END_SECONDS,
    )
    server = uvicorn.Server(config)
    application.stopping.is_set = lambda: server.should_exit
    return server


def check_host(host: str, api_key: str | None) -> None:
    """Raise `CharrnnError` if other machines could use the server without an API key."""
    if not host:
        raise CharrnnError("the host must be an address of this machine, not an empty text")
    if host not in LOOPBACK and not api_key:
        raise CharrnnError(
            f"other machines could use the server at {host}",
            "give an API key with --api-key, or in the variable CHARRNN_API_KEY",
        )


def listen(host: str, port: int | None) -> socket.socket:
    """Return a socket that listens at the port, or at the first free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    ports = range(_FIRST_PORT, _FIRST_PORT + _NUM_PORTS) if port is None else [port]
    for candidate in ports:
        # asyncio sends small answers at once only if the protocol is given.
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        if sys.platform != "win32":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, candidate))
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
            listening.listen(_BACKLOG)  # so that clients can connect as soon as they know the port
        except OSError as error:
            listening.close()
            problem = error
            if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
                raise CharrnnError(
                    f"the server cannot listen at {host} ({error.strerror})",
                    "give an address of this machine with --host, such as 127.0.0.1",
                    "give --host 0.0.0.0 for all of them",
                ) from None
        else:
            return listening
    raise CharrnnError(
        f"the server cannot listen at {host}, port {ports[-1]} ({problem.strerror})",
        "give another port with --port",
    )
