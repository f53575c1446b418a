"""A page with a model inside, which writes in any browser and asks the network for nothing.

The weights are those of the engine for one text (`charrnn.sampling.engines.int8`): 8 bits, and the
page computes as it does, to the same bits up to the last, linear layer. The products are in
`products.wasm`, assembled from `products.wat`.
"""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.analysis.features import MEANINGS
from charrnn.analysis.units import FeatureUnits
from charrnn.errors import ConfigError
from charrnn.reports import pages
from charrnn.runs.checkpoint import Checkpoint
from charrnn.sampling.engines.int8.interface import Int8Weights
from charrnn.sampling.engines.int8.weights import quantize_lstm

_TEMPLATES = Path(__file__).parent / "templates"
_PRODUCTS = Path(__file__).parent / "products.wasm"
_LANES = 16  # weights that are multiplied at once: rows are as wide as a multiple of it


def web_page(checkpoint: Checkpoint, found: list[FeatureUnits]) -> str:
    """Return the page of a checkpoint's model; units found are offered by what they follow.

    Raises `ConfigError` for a cell that is not an lstm.
    """
    config = checkpoint.run.config
    if config.model.cell != "lstm":
        raise ConfigError(
            f"a page writes with lstm models, and {checkpoint.run.path} is a {config.model.cell}: "
            "export it --to onnx or --to safetensors"
        )
    layers, units = config.model.num_layers, config.model.hidden_size
    arrays = checkpoint.load("model")
    weights = quantize_lstm(arrays, config.model)
    name = checkpoint.run.path.name
    return pages.page(
        "web_page.html",
        folder=_TEMPLATES,
        title=f"{name} writes",
        script="web_page.js",
        web_assembly=True,
        name=name,
        network=f"{layers} x {units} LSTM",
        parameters=config.model.count_parameters(len(config.vocabulary)),
        corpus=config.corpus.name,
        step=checkpoint.step,
        found=[each for each in found if each.is_significant],
        meanings=MEANINGS,
        model={
            "vocabulary": config.vocabulary,
            "layers": layers,
            "units": units,
            "width": _padded_width(units),
            "unit": float(weights.unit),
            "line_start": config.corpus.line_start,
        },
        products=base64.b64encode(_PRODUCTS.read_bytes()).decode(),
        weights=base64.b64encode(_weight_bytes(weights, arrays)).decode(),
    )


def _weight_bytes(weights: Int8Weights, arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return all weights in the order in which the page's script reads them."""
    between = len(weights.recurrent_LGH) - 1
    floats = (
        weights.table_VG,
        weights.biases_LG,
        weights.recurrent_scales_LG,
        weights.between_scales_LG[:between],
        arrays["output.weight"] / weights.unit,
        arrays["output.bias"],
    )
    numbers = (_padded(weights.recurrent_LGH), _padded(weights.between_LGH[:between]))
    return b"".join(
        [
            *(np.ascontiguousarray(each, "<f4").tobytes() for each in floats),
            *(each.tobytes() for each in numbers),
        ]
    )


def _padded_width(width: int) -> int:
    return width + -width % _LANES


def _padded(numbers_LGH: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return the rows with zeros behind, as wide as a multiple of what is multiplied at once."""
    width = numbers_LGH.shape[2]
    missing = _padded_width(width) - width
    return np.pad(numbers_LGH, ((0, 0), (0, 0), (0, missing)))
