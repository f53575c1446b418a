"""Mean squares of a trained network's gradients, from which dynamic evaluation starts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

_ROWS, _COLUMNS = ".rows", ".columns"
_TINY = 1e-30  # keeps a quotient finite if all gradients of a matrix are zero

Means = tuple[NDArray[np.float32], ...]


@dataclass(frozen=True)
class GradientSquares:
    """Mean squares of the gradients of a network's loss on segments of its training text.

    `means` holds, under the name of each parameter, the means of the rows and those of the columns
    of a matrix, or the mean square of each element of a bias.
    """

    means: Mapping[str, Means]

    def to_arrays(self) -> dict[str, NDArray[np.float32]]:
        """Return the arrays of a file."""
        return {
            name + suffix: mean
            for name, means in self.means.items()
            for suffix, mean in zip(_suffixes(len(means)), means, strict=True)
        }

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, NDArray[Any]], shapes: Mapping[str, tuple[int, ...]]
    ) -> "GradientSquares":
        """Return the squares of parameters of these shapes.

        Raises `ValueError` if an array is missing, unexpected, has another shape, or is not
        finite, or is negative.
        """
        means = {
            name: tuple(
                arrays.get(name + suffix, np.zeros(0, np.float32))
                for suffix in _suffixes(len(shape))
            )
            for name, shape in shapes.items()
        }
        for name, shape in shapes.items():
            if tuple(mean.shape for mean in means[name]) != tuple((size,) for size in shape):
                raise ValueError(f"the mean squares of {name} do not have the shape {shape}")
            if not all(np.isfinite(mean).all() and (mean >= 0).all() for mean in means[name]):
                raise ValueError(f"the mean squares of {name} are negative or not finite")
        if len(arrays) != sum(map(len, means.values())):
            raise ValueError("there are mean squares of unknown parameters")
        return cls(means)

    def relative_roots(self) -> dict[str, Means]:
        """Return the root mean squares of all weights, divided by their mean.

        Those of a matrix are products of a factor of the row and one of the column.
        """
        roots: dict[str, list[NDArray[np.float32]]] = {}
        total, count = 0.0, 0
        for name, means in self.means.items():
            factors = [np.sqrt(mean) for mean in means]
            if len(factors) > 1:
                factors[0] /= np.sqrt(np.float32(max(means[0].mean(), _TINY)))
            roots[name] = factors
            total += float(np.prod([factor.sum(dtype=np.float64) for factor in factors]))
            count += int(np.prod([factor.size for factor in factors]))
        share = np.float32(count / max(total, _TINY))
        return {name: (factors[0] * share, *factors[1:]) for name, factors in roots.items()}


def mean_squares(gradient: Tensor) -> list[Tensor]:
    """Return the mean squares of a matrix' rows (R) and columns (K), or a bias' squares."""
    squares = gradient.detach().square()
    return [squares] if squares.dim() == 1 else [squares.mean(1), squares.mean(0)]


def _suffixes(dimensions: int) -> tuple[str, ...]:
    return (_ROWS, _COLUMNS) if dimensions > 1 else ("",)
