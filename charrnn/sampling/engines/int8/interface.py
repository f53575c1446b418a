"""The types that the modules of the 8-bit engine share: its weights, and the loop over characters.

Shape suffixes: T characters, L layers, G gate rows (4H: i, f, g, o), H units, V characters of the
vocabulary.
"""

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class Int8Weights(NamedTuple):
    """The weights of an LSTM as 8-bit integers, and the scales that convert products to floats."""

    table_VG: NDArray[np.float32]
    biases_LG: NDArray[np.float32]
    recurrent_LGH: NDArray[np.int8]
    recurrent_scales_LG: NDArray[np.float32]
    between_LGH: NDArray[np.int8]
    between_scales_LG: NDArray[np.float32]
    hidden_scale: np.float32
    """The integer that represents a hidden unit of 1."""


class Loop(Protocol):
    """A loop that reads characters in order."""

    def read(
        self,
        codes_T: NDArray[np.integer[Any]],
        hidden_LH: NDArray[np.int16],
        cells_LH: NDArray[np.float32],
    ) -> None:
        """Read characters and update the state in place."""
