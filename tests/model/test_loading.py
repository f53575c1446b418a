import numpy as np

from charrnn.model.loading import load
from charrnn.training.events import Finished


def test_load_gives_the_averaged_weights_of_the_best_checkpoint(finished: Finished) -> None:
    model = load("verse")
    expected = finished.run.select("best").load("model")
    assert set(model.arrays()) == set(expected)
    assert all(np.array_equal(model.arrays()[key], expected[key]) for key in expected)
    assert not model.training
    assert model.line_start == "T"
