"""What the lesson in a web page needs besides the page's network.

The network of the lesson computes gradients and learns, in float32. Its matrix products are in
`learning.wasm`, which is assembled from `learning.wat`.
"""

import base64
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from charrnn.config.dynamic_evaluation import PULL_BACK_INTERVAL, AdaptConfig
from charrnn.model.gradient_squares import GradientSquares, Means
from charrnn.model.loading import load_gradient_squares
from charrnn.runs.checkpoint import Checkpoint

SCRIPTS = (
    "learning_network.js",
    "learner.js",
    "lesson.js",
    "lesson_predict.js",
    "lesson_units.js",
    "lesson_clamp.js",
    "lesson_learn.js",
)
STYLES = ("lesson.css",)
_KERNELS = Path(__file__).parent / "learning.wasm"


def make_lesson(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return the values of the lesson's template."""
    config = AdaptConfig()
    return {
        "kernels": base64.b64encode(_KERNELS.read_bytes()).decode(),
        "squares": base64.b64encode(_pack_squares(load_gradient_squares(checkpoint))).decode(),
        "learning": {
            "segment": config.segment,
            "rate": config.adapt_rate,
            "pullBack": config.pull_back_at(PULL_BACK_INTERVAL),
            "pullBackInterval": PULL_BACK_INTERVAL,
            "priorUpdates": config.prior_updates,
        },
    }


def _pack_squares(squares: GradientSquares | None) -> bytes:
    """Return the mean squares, then their relative roots, in the order of the page's script.

    A layer's two biases have the same gradients, so that one is enough.
    """
    if squares is None:
        return b""
    return _pack(squares.means.items()) + _pack(squares.relative_roots().items())


def _pack(means: Iterable[tuple[str, Means]]) -> bytes:
    return b"".join(
        np.ascontiguousarray(mean, "<f4").tobytes()
        for name, means_of_parameter in means
        if not name.startswith("bias_hh")
        for mean in means_of_parameter
    )
