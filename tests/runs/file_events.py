"""Informs a listener of the operations of this process that change files."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

_EVENTS = ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.truncate", "os.link", "os.symlink")

_listeners = list[Callable[[str], None]]()


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _listeners and (
        event in _EVENTS
        or (event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_CREAT)
    ):
        _listeners[0](event)


sys.addaudithook(_audit)


@contextlib.contextmanager
def listening(listener: Callable[[str], None]) -> Iterator[None]:
    """Call a listener before each operation in a block, with the name of its audit event.

    `open` is an operation if it may create the file.
    """
    _listeners[:] = [listener]
    try:
        yield
    finally:
        _listeners.clear()
