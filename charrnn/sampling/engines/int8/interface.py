"""What the parts of the 8-bit engine share: its weights, and the loop over characters.

Shape suffixes: T characters, L layers, G gate rows (4H: i, f, g, o), H units, V characters of the
vocabulary.
"""

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class WholeWeights(NamedTuple):
    """The weights of an LSTM as whole numbers, and what makes their products the sums of gates."""

    table_VG: NDArray[np.float32]
    biases_LG: NDArray[np.float32]
    recurrent_LGH: NDArray[np.int8]
    recurrent_scales_LG: NDArray[np.float32]
    between_LGH: NDArray[np.int8]
    between_scales_LG: NDArray[np.float32]
    unit: np.float32
    """The whole number that stands for a hidden unit of 1."""


class Loop(Protocol):
    """What reads characters one after another, whichever way."""

    def read(
        self,
        codes_T: NDArray[np.integer[Any]],
        hidden_LH: NDArray[np.int16],
        cells_LH: NDArray[np.float32],
    ) -> None:
        """Read characters; the state goes along in place."""
