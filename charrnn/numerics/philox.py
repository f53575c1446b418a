"""Draw random bytes on an NVIDIA GPU: the same bytes as `randomness.mask_bytes` on the CPU.

Shape suffixes: M arrays, N bytes of all arrays.
"""

import functools
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from charrnn.numerics.nvrtc import Kernels, compile_source, find_architecture
from charrnn.numerics.randomness import Purpose, mask_bytes, mask_key

Launch = Callable[[torch.device, int, Sequence[int]], None]
"""Launches the kernel on a device, with a number of blocks and the fields of its arguments."""

KERNEL = "draw"
THREADS = 256
_COUNTER_BYTES = 32  # random bytes of one counter value


class RandomBytes:
    """Byte arrays in the memory of a GPU. One launch of a kernel fills all of them."""

    def __init__(
        self, shapes: Mapping[str, tuple[int, ...]], device: torch.device, launch: Launch
    ) -> None:
        sizes = [math.prod(shape) for shape in shapes.values()]
        ends = [*itertools.accumulate(-(-size // _COUNTER_BYTES) for size in sizes)]
        starts = [0, *ends]
        self._counters = starts[-1]
        self._ends_M = torch.tensor(ends, dtype=torch.int64, device=device)
        self._bytes_N = torch.zeros(_COUNTER_BYTES * starts[-1], dtype=torch.uint8, device=device)
        self._launch = launch
        self.arrays = {
            name: self._bytes_N[_COUNTER_BYTES * start :][:size].view(shape)
            for (name, shape), size, start in zip(shapes.items(), sizes, starts, strict=False)
        }

    def draw(self, keys_M2: Tensor) -> None:
        """Start to fill each array with the bytes of its key.

        `keys_M2` is in the memory of the GPU. A CUDA graph can capture this call. Each replay uses
        the current keys.
        """
        if self._counters:
            pointers = (self._bytes_N, keys_M2, self._ends_M)
            fields = [*(tensor.data_ptr() for tensor in pointers), self._counters]
            self._launch(self._bytes_N.device, -(-self._counters // THREADS), fields)


def launch_kernel(device: torch.device, blocks: int, fields: Sequence[int]) -> None:
    """Launch the kernel on the current stream."""
    with torch.cuda.device(device):
        stream = torch.cuda.current_stream().cuda_stream
        _kernels(device).launch_independent(KERNEL, blocks, THREADS, stream, fields)


@functools.cache
def find_defect(device: torch.device, launch: Launch = launch_kernel) -> str | None:
    """Return why the kernel cannot be used on a device; None if its bytes equal those of numpy.

    The first call compiles the kernel and waits for a result.
    """
    keys = [(3, purpose, 5) for purpose in (Purpose.DROPOUT, Purpose.WEIGHT_DROP)]
    try:
        drawn = RandomBytes({str(key): (64,) for key in keys}, device, launch)
        drawn.draw(
            torch.from_numpy(np.stack([mask_key(*key) for key in keys]).view("i8")).to(device)
        )
        is_equal = all(
            np.array_equal(drawn.arrays[str(key)].cpu().numpy(), mask_bytes(*key, (64,)))
            for key in keys
        )
    except (AttributeError, OSError, RuntimeError) as error:
        return str(error).partition("\n")[0]
    return None if is_equal else "its bytes differ from those of the CPU"


def source() -> str:
    """Return the source of the kernel."""
    return Path(__file__).with_suffix(".cu").read_text("utf-8")


@functools.cache
def _kernels(device: torch.device) -> Kernels:
    return Kernels(compile_source(source(), {}, find_architecture(device)), (KERNEL,), 0)
