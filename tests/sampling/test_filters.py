import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config.sampling import SampleConfig
from charrnn.sampling.filters import (
    Filters,
    apply_min_p,
    apply_temperature,
    apply_top_k,
    apply_top_p,
    distribution,
    sample_codes,
)

P = np.array([[0.1, 0.4, 0.2, 0.3]])


def test_temperature_scales_the_logits() -> None:
    logits_BV = np.log(P)
    np.testing.assert_allclose(apply_temperature(logits_BV, 1.0), P)
    squared = P**2 / (P**2).sum()
    np.testing.assert_allclose(apply_temperature(logits_BV, 0.5), squared)
    np.testing.assert_allclose(apply_temperature(np.array([[1e4, -1e4]]), 0.01), [[1, 0]])


def test_temperature_zero_selects_the_first_most_likely_character() -> None:
    assert apply_temperature(np.array([[0.0, 3.0, 3.0]]), 0).tolist() == [[0, 1, 0]]


def test_top_k_keeps_the_k_most_likely() -> None:
    np.testing.assert_allclose(apply_top_k(P, 2), [[0, 4 / 7, 0, 3 / 7]])
    np.testing.assert_allclose(apply_top_k(P, 9), P)
    np.testing.assert_allclose(apply_top_k(np.full((1, 4), 0.25), 2), [[0.5, 0.5, 0, 0]])


def test_top_p_keeps_the_smallest_set_with_probability_p() -> None:
    np.testing.assert_allclose(apply_top_p(P, 0.7), [[0, 4 / 7, 0, 3 / 7]])
    np.testing.assert_allclose(apply_top_p(P, 0.71), [[0, 4 / 9, 2 / 9, 3 / 9]])
    np.testing.assert_allclose(apply_top_p(P, 0.01), [[0, 1, 0, 0]])
    np.testing.assert_allclose(apply_top_p(P, 1.0), P)


def test_min_p_is_relative_to_the_highest_probability() -> None:
    np.testing.assert_allclose(apply_min_p(P, 0.5), [[0, 4 / 9, 2 / 9, 3 / 9]])
    np.testing.assert_allclose(apply_min_p(P, 0.0), P)


@pytest.mark.parametrize("as_array", [np.asarray, torch.tensor])
def test_min_p_keeps_two_characters_at_least(as_array: Callable[..., Any]) -> None:
    likely = [[0.001, 0.96, 0.009, 0.03], [0.25, 0.25, 0.25, 0.25], [1.0, 0.0, 0.0, 0.0]]
    kept = apply_min_p(as_array(likely), 0.5)
    np.testing.assert_allclose(kept, [[0, 96 / 99, 0, 3 / 99], likely[1], likely[2]])
    np.testing.assert_allclose(apply_min_p(as_array([[1.0], [1.0]]), 1.0), [[1.0], [1.0]])


def test_filters_apply_in_the_documented_order() -> None:
    filters = Filters(temperature=1.0, top_k=3, top_p=0.85, min_p=0.6)
    # top-k leaves 4, 3, 2 ninths; top-p all of them, because 7 / 9 < 0.85; min-p drops 2 < 0.6 * 4.
    np.testing.assert_allclose(distribution(np.log(P), filters), [[0, 4 / 7, 0, 3 / 7]])


def test_rows_are_filtered_independently() -> None:
    rows_BV = np.concatenate([P, P[:, ::-1]])
    np.testing.assert_allclose(apply_top_p(rows_BV, 0.01), [[0, 1, 0, 0], [0, 0, 1, 0]])


@pytest.mark.parametrize(
    ("uniform", "code"), [(0.0, 1), (0.499, 1), (0.5, 2), (0.749, 2), (0.75, 3), (1 - 2**-53, 3)]
)
def test_a_sample_inverts_the_cumulative_distribution(uniform: float, code: int) -> None:
    p_BV = np.array([[0.0, 0.5, 0.25, 0.25, 0.0]])
    assert sample_codes(p_BV, np.array([uniform])).tolist() == [code]


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=20).filter(lambda p: sum(p) > 1e-3),
    st.floats(0, 1, exclude_max=True),
)
def test_characters_with_probability_zero_are_never_sampled(
    weights: list[float], uniform: float
) -> None:
    p_BV = np.array([weights]) / sum(weights)
    assert p_BV[0, sample_codes(p_BV, np.array([uniform]))[0]] > 0


@given(
    seed=st.integers(0, 2**32 - 1),
    temperature=st.sampled_from([0.0, 0.3, 1.0, 2.0]),
    top_k=st.none() | st.integers(1, 9),
    top_p=st.none() | st.floats(0.01, 1),
    min_p=st.none() | st.floats(0, 1),
    ties=st.booleans(),
)
def test_filters_agree_on_tensors_and_arrays(
    seed: int,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    min_p: float | None,
    ties: bool,
) -> None:
    generator = np.random.default_rng(seed)
    logits_BV = generator.normal(size=(4, 7)).astype(np.float32)
    if ties:
        logits_BV = logits_BV.round()
    filters = Filters(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)
    p_BV = distribution(logits_BV, filters)
    tensor_BV = distribution(torch.from_numpy(logits_BV), filters)
    assert isinstance(tensor_BV, torch.Tensor)
    np.testing.assert_allclose(tensor_BV.numpy(), p_BV, rtol=1e-12, atol=1e-15)
    uniforms_B = generator.uniform(size=4)
    codes_B = sample_codes(torch.from_numpy(p_BV), torch.from_numpy(uniforms_B))
    assert codes_B.tolist() == sample_codes(p_BV, uniforms_B).tolist()


def test_filter_fields_are_fields_of_sample_config() -> None:
    for min_p in (0, 0.0, None):  # no filter, and no work
        assert Filters.from_config(SampleConfig(min_p=min_p)) == Filters(temperature=0.9)
    assert Filters.from_config(SampleConfig()) == Filters(temperature=0.9, min_p=0.05)
    config = SampleConfig(temperature=(0.7,), top_k=3, top_p=0.8, min_p=0.1)
    assert Filters.from_config(config) == Filters(temperature=0.7, top_k=3, top_p=0.8, min_p=0.1)
    names = {field.name for field in dataclasses.fields(Filters)}
    assert names <= {field.name for field in dataclasses.fields(SampleConfig)}
