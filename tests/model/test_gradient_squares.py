import numpy as np
import pytest

from charrnn.model.gradient_squares import GradientSquares
from tests.model.small_model import VOCABULARY, small_model

SHAPES = small_model().config.parameter_shapes(len(VOCABULARY))


def make_squares(seed: int = 0) -> GradientSquares:
    draws = np.random.default_rng(seed)
    return GradientSquares(
        {
            name: tuple(draws.exponential(size=size).astype(np.float32) for size in shape)
            for name, shape in SHAPES.items()
        }
    )


def test_squares_are_unchanged_by_a_file() -> None:
    squares = make_squares()
    arrays = squares.to_arrays()
    assert {"weight_hh_l0.rows", "weight_hh_l0.columns", "bias_ih_l2"} < arrays.keys()
    loaded = GradientSquares.from_arrays(arrays, SHAPES)
    assert loaded.means.keys() == squares.means.keys()
    for name, means in squares.means.items():
        assert all(map(np.array_equal, loaded.means[name], means))


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("bias_ih_l0", None, "of bias_ih_l0 do not have the shape"),
        ("weight_hh_l1.rows", np.ones(3), "of weight_hh_l1 do not have the shape"),
        ("output.bias", np.full(8, np.nan), "of output.bias are negative or not finite"),
        ("output.bias", np.full(8, -1.0), "of output.bias are negative or not finite"),
        ("other", np.ones(1), "of unknown parameters"),
    ],
)
def test_arrays_that_do_not_fit_are_an_error(
    name: str, array: np.ndarray | None, message: str
) -> None:
    arrays = make_squares().to_arrays()
    if array is None:
        del arrays[name]
    else:
        arrays[name] = array.astype(np.float32)
    with pytest.raises(ValueError, match=message):
        GradientSquares.from_arrays(arrays, SHAPES)


def test_relative_roots_are_root_mean_squares_divided_by_their_mean() -> None:
    squares = make_squares()
    rows, columns = squares.means["weight_hh_l1"]
    roots = {
        name: factors[0] if len(factors) == 1 else np.outer(*factors)
        for name, factors in squares.relative_roots().items()
    }
    expected = np.sqrt(np.outer(rows, columns) / rows.mean())
    ratio = roots["weight_hh_l1"] / expected
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-5)
    bias_ratio = roots["output.bias"] / np.sqrt(squares.means["output.bias"][0])
    np.testing.assert_allclose(bias_ratio, ratio[0, 0], rtol=1e-5)
    assert np.concatenate([root.flatten() for root in roots.values()]).mean() == pytest.approx(1)


def test_relative_roots_are_finite_if_all_gradients_are_zero() -> None:
    zeros = {name: tuple(map(np.zeros_like, m)) for name, m in make_squares().means.items()}
    for factors in GradientSquares(zeros).relative_roots().values():
        assert all(np.isfinite(factor).all() for factor in factors)
