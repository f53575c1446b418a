import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from charrnn.numerics.quantization import quantize

WEIGHTS = arrays(
    np.float32,
    array_shapes(min_dims=2, max_dims=3, max_side=6),
    elements=st.floats(-100, 100, width=32).filter(lambda x: x == 0 or abs(x) > 1e-30),
)


@given(WEIGHTS)
def test_each_weight_is_within_half_a_step_of_its_row(weights: NDArray[np.float32]) -> None:
    quantized = quantize(weights)
    assert quantized.numbers.dtype == np.int8
    assert quantized.numbers.min() >= -127
    error = np.abs(quantized.dequantize() - weights)
    assert (error <= 0.5001 * quantized.scales[..., None] + 1e-30).all()


@given(WEIGHTS)
def test_the_largest_weight_of_a_row_does_not_change(weights: NDArray[np.float32]) -> None:
    largest = np.abs(quantize(weights).dequantize()).max(axis=-1)
    np.testing.assert_allclose(largest, np.abs(weights).max(axis=-1), rtol=1e-5)
