from typing import Any

import numpy as np
import pytest

from charrnn.sampling.engines.cpu_step_kernels import draw
from charrnn.sampling.filters import Filters, distribution, sample_codes


@pytest.mark.parametrize(
    "settings",
    [{}, {"min_p": 0.05}, {"min_p": 1.0}, {"top_k": 3}, {"top_p": 0.7, "min_p": 0.1}],
)
@pytest.mark.parametrize("temperature", [0.0, 0.3, 1.7])
def test_codes_are_those_of_the_filters(temperature: float, settings: dict[str, Any]) -> None:
    draws = np.random.default_rng(1)
    logits_BV = draws.normal(0, 3, (500, 70)).astype(np.float32)
    logits_BV[:100, 5:40] = -np.inf
    uniforms_B = draws.random(500)
    uniforms_B[:20] = 0.0
    filters, codes_B = Filters(temperature=temperature, **settings), np.full(500, -1)
    draw(logits_BV, filters, uniforms_B, codes_B)
    np.testing.assert_array_equal(
        codes_B, sample_codes(distribution(logits_BV, filters), uniforms_B)
    )


def test_codes_are_valid_if_logits_are_not_numbers() -> None:
    codes_B = np.full(3, -1)
    draw(np.full((3, 9), np.nan, np.float32), Filters(temperature=1.0), np.full(3, 0.9), codes_B)
    assert ((codes_B >= 0) & (codes_B < 9)).all()
