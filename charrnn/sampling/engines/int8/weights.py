"""The weights of an LSTM in 8 bits, in the layout that the engine's loops read.

Shape suffixes: V characters of the vocabulary, L layers, G gate rows (4H: i, f, g, o), H units.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.config.model import ModelConfig
from charrnn.numerics.quantization import MAX_INT8, quantize
from charrnn.sampling.engines.int8.interface import Int8Weights

_MAX_SUM = 2**31 - 1
_MAX_HIDDEN = 2**15 - 1


def quantize_lstm(arrays: Mapping[str, NDArray[Any]], config: ModelConfig) -> Int8Weights:
    """Convert an LSTM's weights to 8 bits; see `charrnn.numerics.quantization`."""
    layers, units = range(config.num_layers), config.hidden_size
    hidden_scale = np.float32(min(_MAX_HIDDEN, _MAX_SUM // (MAX_INT8 * units)))
    biases_LG = np.stack([arrays[f"bias_ih_l{n}"] + arrays[f"bias_hh_l{n}"] for n in layers])
    recurrent = quantize(np.stack([arrays[f"weight_hh_l{n}"] for n in layers]))
    above_LGH = [arrays[f"weight_ih_l{n}"] for n in layers[1:]]
    between = quantize(np.stack(above_LGH) if above_LGH else np.zeros((1, 4, 1), np.float32))
    return Int8Weights(
        table_VG=np.ascontiguousarray(arrays["weight_ih_l0"].T, dtype=np.float32),
        biases_LG=biases_LG.astype(np.float32),
        recurrent_LGH=recurrent.numbers,
        recurrent_scales_LG=recurrent.scales / hidden_scale,
        between_LGH=between.numbers,
        between_scales_LG=between.scales / hidden_scale,
        hidden_scale=hidden_scale,
    )
