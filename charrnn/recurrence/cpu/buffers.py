"""A pool of large buffers, which are reused.

New memory from the operating system is slow: the system clears each page at the first access. A
training step would access hundreds of megabytes of new pages.
"""

import math
import threading

import torch
from torch import Tensor

_LOCK = threading.Lock()
_FREE: list[Tensor] = []  # flat byte buffers; at most as many as were ever leased at one time


def free_unused() -> None:
    """Free all buffers that are not leased, so that other code can use the memory."""
    with _LOCK:
        _FREE.clear()


class BufferLease:
    """The buffers of one computation, until they are released or the lease is deleted."""

    def __init__(self) -> None:
        self._leased: list[Tensor] = []

    def acquire(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Return a buffer with undefined contents."""
        size = math.prod(shape) * dtype.itemsize
        with _LOCK:
            fitting = [index for index, buffer in enumerate(_FREE) if buffer.numel() >= size]
            if fitting:
                buffer = _FREE.pop(min(fitting, key=lambda index: _FREE[index].numel()))
            else:
                if _FREE:  # the new, larger buffer replaces the smallest one
                    _FREE.pop(min(range(len(_FREE)), key=lambda index: _FREE[index].numel()))
                with torch.inference_mode(False):  # an inference tensor could not be used to train
                    buffer = torch.empty(size, dtype=torch.uint8)
        self._leased.append(buffer)
        return buffer[:size].view(dtype).view(shape)

    def release(self) -> None:
        """Return all buffers to the pool. The next lease may overwrite them."""
        with _LOCK:
            _FREE.extend(self._leased)
            self._leased = []

    def __del__(self) -> None:
        self.release()
