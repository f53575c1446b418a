"""Filters of the next character's distribution: temperature, top-k, top-p, min-p; then the draw.

To add a filter: add a field to `SampleConfig`; add a field of the same name to `Filters`, the
filter's function and its call in `distribution` here; add an entry in
`charrnn.console.interactive`.

Arrays are numpy arrays, or torch tensors on any device. Each filter is implemented once for both,
in float64.

Shape suffixes: B samples, V characters of the vocabulary.
"""

import sys
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from charrnn.config.sampling import SampleConfig

Array = Any
"""A numpy array or a torch tensor. Functions return the type that they receive."""


@dataclass(frozen=True, kw_only=True)
class Filters:
    """The fields of `SampleConfig` that determine the distribution of the next character."""

    temperature: float
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None

    @classmethod
    def from_config(cls, config: SampleConfig) -> "Filters":
        """Return the filters of a config that has one temperature; a `min_p` of 0 is no filter."""
        settings = {field.name: getattr(config, field.name) for field in fields(cls)}
        (settings["temperature"],) = config.temperatures
        settings["min_p"] = config.min_p or None
        return cls(**settings)


def apply_temperature(logits_BV: Array, temperature: float) -> Array:
    """Return softmax(logits / temperature); at 0, the first maximum has probability 1."""
    xp = _array_module(logits_BV)
    logits_BV = _to_float64(logits_BV)
    highest_B1 = xp.amax(logits_BV, axis=1, keepdims=True)
    if temperature == 0:
        is_highest_BV = logits_BV == highest_B1
        return _to_float64(is_highest_BV & (xp.cumsum(is_highest_BV, axis=1) == 1))
    return _normalize(xp.exp((logits_BV - highest_B1) / temperature))


def apply_top_k(p_BV: Array, top_k: int) -> Array:
    """Keep the k most likely characters (Fan et al., 2018); among equals, the first ones."""
    return _keep(p_BV, _rank(p_BV) < top_k)


def apply_top_p(p_BV: Array, top_p: float) -> Array:
    """Keep the smallest set of most likely characters with probability `top_p` or more.

    Holtzman et al., 2020.
    """
    xp = _array_module(p_BV)
    descending_BV = _sort_descending(p_BV)
    before_BV = xp.cumsum(descending_BV, axis=1) - descending_BV
    needed_B1 = (before_BV < top_p).sum(axis=1, keepdims=True)
    return _keep(p_BV, _rank(p_BV) < needed_B1)


def apply_min_p(p_BV: Array, min_p: float) -> Array:
    """Keep characters with at least `min_p` times the highest probability, and at least two.

    Nguyen et al., 2024, keep at least one. A character with a probability of almost 1 would then be
    the only one, and many texts would never leave a run of spaces: see docs/experiments.md.
    """
    xp = _array_module(p_BV)
    highest_B1, second_B1 = _two_highest(p_BV)
    return _keep(p_BV, p_BV >= xp.minimum(min_p * highest_B1, second_B1))


def distribution(logits_BV: Array, filters: Filters) -> Array:
    """Return the probabilities to sample from: apply temperature, top-k, top-p, min-p in order."""
    p_BV = apply_temperature(logits_BV, filters.temperature)
    if filters.top_k is not None:
        p_BV = apply_top_k(p_BV, filters.top_k)
    if filters.top_p is not None:
        p_BV = apply_top_p(p_BV, filters.top_p)
    if filters.min_p is not None:
        p_BV = apply_min_p(p_BV, filters.min_p)
    return p_BV


def sample_codes(p_BV: Array, uniforms_B: Array) -> Array:
    """Sample one code for each row: invert its cumulative distribution at a uniform number."""
    cumulative_BV = _array_module(p_BV).cumsum(p_BV, axis=1)
    thresholds_B1 = uniforms_B[:, None] * cumulative_BV[:, -1:]
    return (cumulative_BV <= thresholds_B1).sum(axis=1)


def _array_module(array: Array) -> Any:
    """Return numpy, or torch, which is already imported if the array is a tensor."""
    return np if isinstance(array, np.ndarray) else sys.modules["torch"]


def _to_float64(array: Array) -> Array:
    return array.astype(np.float64) if isinstance(array, np.ndarray) else array.double()


def _rank(p_BV: Array) -> Array:
    """Return the rank of each character, 0 for the most likely; equals keep their order."""
    if isinstance(p_BV, np.ndarray):
        return np.argsort(np.argsort(-p_BV, axis=1, kind="stable"), axis=1)
    return (-p_BV).argsort(dim=1, stable=True).argsort(dim=1)


def _sort_descending(p_BV: Array) -> Array:
    return -np.sort(-p_BV, axis=1) if isinstance(p_BV, np.ndarray) else -(-p_BV).sort(dim=1).values


def _two_highest(p_BV: Array) -> tuple[Array, Array]:
    """Return the two highest probabilities of each row, of shape (B, 1); they can be equal."""
    if p_BV.shape[1] == 1:
        return p_BV, p_BV
    if isinstance(p_BV, np.ndarray):
        top_B2 = np.partition(p_BV, -2, axis=1)[:, -2:]
        return top_B2[:, 1:], top_B2[:, :1]
    top_B2 = p_BV.topk(2, dim=1).values
    return top_B2[:, :1], top_B2[:, 1:]


def _keep(p_BV: Array, is_kept_BV: Array) -> Array:
    return _normalize(p_BV * is_kept_BV)


def _normalize(weights_BV: Array) -> Array:
    return weights_BV / weights_BV.sum(axis=1, keepdims=True)
