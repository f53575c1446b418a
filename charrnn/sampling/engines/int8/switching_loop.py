"""A loop that starts at once in numpy and switches to the compiled loop when that is available.

Both loops give the same bits, so the text does not depend on when the switch happens.
"""

import functools
import subprocess
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.numerics.child import child_environment, python_command
from charrnn.sampling.engines.int8.interface import Int8Weights, Loop
from charrnn.sampling.engines.int8.numpy_loop import NumpyLoop

_CHUNK = 64  # characters read between two checks for the compiled loop
_COMPILE_COMMAND = (
    "from charrnn.sampling.engines.int8 import compiled_loop; compiled_loop.compile_to_cache()"
)


class SwitchingLoop:
    """Start with the numpy loop; never wait for the compiler.

    If the cache holds the compiled loop, it is loaded after the first character. Otherwise another
    process compiles it and fills the cache. That process continues if this one ends first.
    """

    def __init__(self, weights: Int8Weights) -> None:
        self._weights = weights
        self._loop: Loop = NumpyLoop(weights)
        self._has_read, self._is_final = False, False
        self._compiler_process: subprocess.Popen[bytes] | None = None

    def read(
        self,
        codes_T: NDArray[np.integer[Any]],
        hidden_LH: NDArray[np.int16],
        cells_LH: NDArray[np.float32],
    ) -> None:
        """Read characters and update the state in place."""
        while not self._is_final and len(codes_T):
            if self._has_read:  # the first character is on the screen, or the first chunk is read
                self._try_compiled_loop()
            self._has_read = True
            self._loop.read(codes_T[:_CHUNK], hidden_LH, cells_LH)
            codes_T = codes_T[_CHUNK:]
        self._loop.read(codes_T, hidden_LH, cells_LH)

    def _try_compiled_loop(self) -> None:
        """Switch to the compiled loop if it is available; stop trying if it cannot become so."""
        if self._compiler_process and self._compiler_process.poll() is None:
            return
        try:
            from charrnn.sampling.engines.int8 import compiled_loop
        except ImportError:  # numba does not support this platform
            self._is_final = True
            return
        if compiled_loop.is_cached():
            self._loop, self._is_final = compiled_loop.CompiledLoop(self._weights), True
        elif self._compiler_process or not compiled_loop.can_cache():
            self._is_final = True
        else:
            self._compiler_process = _start_compiler()
            self._is_final = self._compiler_process is None


@functools.cache
def _start_compiler() -> subprocess.Popen[bytes] | None:
    """Start the process that compiles for all loops; return None if it cannot be started.

    The cache keeps a reference: Python warns if a running process is deleted with its loop.
    """
    try:
        return subprocess.Popen(
            python_command("-c", _COMPILE_COMMAND),
            env=child_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return None
