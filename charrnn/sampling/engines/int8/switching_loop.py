"""The loop that writes at once: plain numpy first, the compiled loop as soon as there is one.

Both give the same bits, so nobody can tell from the text when one took over.
"""

import functools
import subprocess
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.sampling.engines.int8.interface import Loop, WholeWeights
from charrnn.sampling.engines.int8.numpy_loop import PlainLoop

_STRETCH = 64  # characters read between two looks at whether the compiled loop is there
_COMPILE = (
    "from charrnn.sampling.engines.int8 import compiled_loop; compiled_loop.compile_for_later()"
)


class SwitchingLoop:
    """Begin with the plain loop; never wait for a compiler.

    What was compiled before is loaded behind the first characters. Where nothing was, another
    process compiles and keeps the result; it goes on if this one ends earlier.
    """

    def __init__(self, weights: WholeWeights) -> None:
        self._weights = weights
        self._loop: Loop = PlainLoop(weights)
        self._begun, self._settled = False, False
        self._compiling: subprocess.Popen[bytes] | None = None

    def read(
        self,
        codes_T: NDArray[np.integer[Any]],
        hidden_LH: NDArray[np.int16],
        cells_LH: NDArray[np.float32],
    ) -> None:
        """Read characters; the state goes along in place."""
        while not self._settled and len(codes_T):
            if self._begun:  # the first character is on the screen, or the first stretch read
                self._look()
            self._begun = True
            self._loop.read(codes_T[:_STRETCH], hidden_LH, cells_LH)
            codes_T = codes_T[_STRETCH:]
        self._loop.read(codes_T, hidden_LH, cells_LH)

    def _look(self) -> None:
        """Change to the compiled loop if it can be loaded; give it up if it never will be."""
        if self._compiling and self._compiling.poll() is None:
            return
        try:
            from charrnn.sampling.engines.int8 import compiled_loop
        except ImportError:  # a platform that numba does not serve
            self._settled = True
            return
        if compiled_loop.is_compiled():
            self._loop, self._settled = compiled_loop.CompiledLoop(self._weights), True
        elif self._compiling or not compiled_loop.can_be_kept():
            self._settled = True
        else:
            self._compiling = _compiler()
            self._settled = self._compiling is None


@functools.cache
def _compiler() -> subprocess.Popen[bytes] | None:
    """Begin to compile in another process, one for all loops; None where that cannot be.

    It is kept here because loops come and go, and Python warns of a process that nobody waited for.
    """
    try:
        return subprocess.Popen(
            [sys.executable, "-c", _COMPILE],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return None
