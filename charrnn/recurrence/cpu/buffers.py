"""Large buffers that are lent out again and again.

Memory fresh from the system costs more than computing on it: the kernel clears each page when it is
first touched. A training step would touch hundreds of megabytes of such pages.
"""

import math
import threading

import torch
from torch import Tensor

_LOCK = threading.Lock()
_FREE: list[Tensor] = []  # flat, of bytes; as many as were ever lent at one time


def release() -> None:
    """Let go of all buffers that are not lent out, before something else needs the memory."""
    with _LOCK:
        _FREE.clear()


class Loan:
    """Buffers that belong to one computation until it ends, or is forgotten."""

    def __init__(self) -> None:
        self._lent: list[Tensor] = []

    def take(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Return a buffer; what it holds is undefined."""
        size = math.prod(shape) * dtype.itemsize
        with _LOCK:
            fitting = [place for place, each in enumerate(_FREE) if each.numel() >= size]
            if fitting:
                buffer = _FREE.pop(min(fitting, key=lambda place: _FREE[place].numel()))
            else:
                if _FREE:  # a larger one takes its place
                    _FREE.pop(min(range(len(_FREE)), key=lambda place: _FREE[place].numel()))
                with torch.inference_mode(False):  # else only inference could use it
                    buffer = torch.empty(size, dtype=torch.uint8)
        self._lent.append(buffer)
        return buffer[:size].view(dtype).view(shape)

    def end(self) -> None:
        """Give all buffers back: whoever borrows next will write into them."""
        with _LOCK:
            _FREE.extend(self._lent)
            self._lent = []

    def __del__(self) -> None:
        self.end()
