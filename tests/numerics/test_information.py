import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.numerics.information import nats_to_bits


@given(bits=st.floats(0, 100))
def test_bits_are_logarithms_to_base_two(bits: float) -> None:
    assert nats_to_bits(-math.log(2**-bits)) == pytest.approx(bits, abs=1e-12)


def test_an_array_keeps_its_type() -> None:
    bits_N = nats_to_bits(np.array([0, math.log(2), math.log(8)], np.float32))
    assert bits_N.dtype == np.float32
    assert bits_N.tolist() == pytest.approx([0, 1, 3])
