import numpy as np

from charrnn.data.corpus import Corpus
from charrnn.model.loading import load
from charrnn.training.events import Finished
from charrnn.training.gradient_measurement import measure_gradient_squares


def test_load_gives_the_averaged_weights_of_the_best_checkpoint(finished: Finished) -> None:
    model = load("verse")
    expected = finished.run.select("best").load("model")
    assert set(model.arrays()) == set(expected)
    assert all(np.array_equal(model.arrays()[key], expected[key]) for key in expected)
    assert not model.training
    assert model.line_start == "T"


def test_a_loaded_model_has_the_gradient_squares_of_its_training_text(finished: Finished) -> None:
    checkpoint = finished.run.select("best")
    corpus, config = finished.run.config.corpus, finished.run.config.training
    model = load("verse")
    training, _ = Corpus.reopen(corpus, model.vocabulary).split(config.val_fraction)
    expected = measure_gradient_squares(model, training).to_arrays()
    loaded = checkpoint.load_gradient_squares()
    assert model.gradient_squares is not None
    assert loaded is not None
    assert loaded.keys() == expected.keys() == model.gradient_squares.to_arrays().keys()
    for name, array in expected.items():
        np.testing.assert_allclose(loaded[name], array, rtol=1e-4, atol=1e-12)
