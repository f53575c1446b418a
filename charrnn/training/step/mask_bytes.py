"""Random bytes of dropout masks at fixed addresses of a GPU's memory: drawn or copied there.

Shape suffixes: M masks.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

from charrnn.model.dropout import MaskBytes
from charrnn.numerics.devices import copy_async, pinned
from charrnn.numerics.philox import RandomBytes


class DrawnMaskBytes:
    """Bytes that the GPU draws from the keys of the step."""

    def __init__(self, random_bytes: RandomBytes) -> None:
        self._random_bytes = random_bytes

    def load(self, step: int) -> None:
        """Do nothing: only the keys differ between steps."""

    def read(self, keys_M2: Tensor) -> MaskBytes:
        """Start to draw; a CUDA graph can capture this."""
        self._random_bytes.draw(keys_M2)
        return self._random_bytes.arrays


class CopiedMaskBytes:
    """Bytes that a thread of the CPU draws while the GPU computes the previous step."""

    def __init__(
        self,
        shapes: Mapping[str, tuple[int, ...]],
        device: torch.device,
        draw: Callable[[int], MaskBytes],
    ) -> None:
        self._draw, self._device = draw, device
        self._bytes = {
            name: torch.zeros(shape, dtype=torch.uint8, device=device)
            for name, shape in shapes.items()
        }
        self._thread = ThreadPoolExecutor(1, "charrnn-masks")
        self._next: tuple[int, Future[MaskBytes]] | None = None

    def load(self, step: int) -> None:
        """Start to copy the bytes of a step, and to draw those of the next one."""
        if self._next is None or self._next[0] != step:
            self._start(step)
        assert self._next is not None
        for name, bytes_ in self._next[1].result().items():
            copy_async(self._bytes[name], bytes_)
        self._start(step + 1)

    def read(self, keys_M2: Tensor) -> MaskBytes:
        """Return the bytes of the step that was loaded last."""
        return self._bytes

    def _start(self, step: int) -> None:
        self._next = step, self._thread.submit(self._draw_pinned, step)

    def _draw_pinned(self, step: int) -> MaskBytes:
        return {name: pinned(bytes_, self._device) for name, bytes_ in self._draw(step).items()}
