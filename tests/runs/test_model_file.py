import base64
import json
import struct

import numpy as np
import safetensors.numpy

from charrnn.runs.model_file import make_model_file
from charrnn.training.events import Finished


def test_an_exported_file_contains_the_gradient_squares(finished: Finished) -> None:
    checkpoint = finished.run.select("best")
    data = make_model_file(checkpoint, "card")
    (header_size,) = struct.unpack("<Q", data[:8])
    metadata = json.loads(data[8 : 8 + header_size])["__metadata__"]
    squares = safetensors.numpy.load(base64.b64decode(metadata["gradient_squares"]))
    expected = checkpoint.load_gradient_squares()
    assert expected is not None
    assert squares.keys() == expected.keys()
    assert all(np.array_equal(squares[name], array) for name, array in expected.items())
    assert safetensors.numpy.load(data).keys() == checkpoint.load("model").keys()
