"""Units of information: a loss in nats (natural logarithm) and in bits (base 2)."""

import math
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

_Nats = TypeVar("_Nats", float, NDArray[np.floating[Any]])


def nats_to_bits(nats: _Nats) -> _Nats:
    """Convert a loss, or an array of losses, from nats to bits."""
    return nats / math.log(2)
