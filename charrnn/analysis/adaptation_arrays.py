"""The arrays of the compiled dynamic evaluation of an LSTM.

The weights lie in one flat array and the factors of their gradients in another, so that one
compiled function updates networks of any size.

Shape suffixes: L layers, M layers without the first, T steps of a segment (a multiple of 4), G gate
rows (4H: i, f, g, o), H units, V characters, N all weights, F all factors, R rows and K columns of
a matrix.
"""

import math
from collections.abc import Mapping
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.config.model import ModelConfig

_TILE = 8192  # weights of a tile: its gradient fits into the first-level cache
_TILE_ROWS = 4  # the number of rows of a tile is a multiple of this

Floats = NDArray[np.float32]
Shapes = Mapping[str, tuple[int, ...]]


class Arrays(NamedTuple):
    """All arrays of the compiled functions. Most are views of `weights_N` and `factors_F`.

    A row of `matrices` describes a weight matrix: its first element in `weights_N`, its rows and
    columns, the first elements in `factors_F` of the two factors of its gradient, left (T, R) and
    right (T, K), its first element in `copies_LGH` or -1, and its first element in `squares_S`,
    which holds sums of squared gradients: the means of R rows, then those of K columns. A row of
    `tiles` holds a matrix, the first row and the end row.
    """

    words: NDArray[np.int64]
    codes_T: NDArray[np.int64]
    nats_T: Floats
    settings: Floats  # step size, fraction of the pull-back, number of summed squares
    weights_N: Floats
    trained_N: Floats
    squares_S: Floats
    scales_S: Floats  # factors of rows and of columns of the updates, as in `squares_S`
    ratios_S: Floats  # factors of rows and of columns of the pull-back
    factors_F: Floats
    copies_LGH: NDArray[Any]
    matrices: NDArray[np.int64]
    tiles: NDArray[np.int64]
    table_VG: Floats
    inputs_MGH: Floats
    biases_2LG: Floats
    output_VH: Floats
    output_bias_V: Floats
    hidden_LTH: Floats  # one more step: the first is the state before the segment
    gates_LTG: Floats
    one_hot_TV: Floats
    logits_TV: Floats
    cells_LTH: Floats  # one more step
    grad_outputs_TH: Floats
    parts: Floats
    gradients: Floats  # of one tile, or of four steps, for each thread
    grams: Floats  # products of the steps of one factor with each other, for each thread
    sums_1G: Floats
    bias_G: Floats
    states_1H: Floats
    grad_cell_1H: Floats
    steps_T: NDArray[np.int64]
    jobs: NDArray[np.int64]


def weight_shapes(config: ModelConfig, characters: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the weights, in the order of `weights_N`."""
    layers, units = config.num_layers, config.hidden_size
    return {
        "table_VG": (characters, 4 * units),
        "inputs_MGH": (layers - 1, 4 * units, units),
        "recurrent_LGH": (layers, 4 * units, units),
        "biases_2LG": (2, layers, 4 * units),
        "output_VH": (characters, units),
        "output_bias_V": (characters,),
    }


def views(flat: NDArray[Any], shapes: Shapes) -> dict[str, NDArray[Any]]:
    """Cut a flat array into arrays of these shapes, in order."""
    ends = np.cumsum([math.prod(shape) for shape in shapes.values()])
    parts = np.split(flat, ends[:-1])
    return {name: part.reshape(shapes[name]) for name, part in zip(shapes, parts, strict=True)}


def make_arrays(
    config: ModelConfig,
    weights_N: Floats,
    copies_LGH: NDArray[Any],
    characters: int,
    steps: int,
    words: int,
) -> Arrays:
    """Return the arrays of a network; `steps` is a multiple of 4."""
    layers, units = config.num_layers, config.hidden_size
    weight_views = views(weights_N, weight_shapes(config, characters))
    del weight_views["recurrent_LGH"]  # only its copy is read
    factor_shapes = _factor_shapes(config, characters, steps)
    factors_F = np.zeros(sum(map(math.prod, factor_shapes.values())), np.float32)
    factor_views = views(factors_F, factor_shapes)
    factor_views.pop("ones_T")[:] = 1
    matrices, tiles = _list_tiles(config, characters, steps, factor_shapes)
    sizes = matrices[:, 1:3]
    return Arrays(
        words=np.zeros(words, np.int64),
        codes_T=np.zeros(steps + 1, np.int64),
        nats_T=np.zeros(steps, np.float32),
        settings=np.zeros(3, np.float32),
        weights_N=weights_N,
        trained_N=weights_N.copy(),
        squares_S=np.zeros(sizes.sum(), np.float32),
        scales_S=np.zeros(sizes.sum(), np.float32),
        ratios_S=np.ones(sizes.sum(), np.float32),
        factors_F=factors_F,
        copies_LGH=copies_LGH,
        matrices=matrices,
        tiles=tiles,
        cells_LTH=np.zeros((layers, steps + 1, units), np.float32),
        grad_outputs_TH=np.zeros((steps, units), np.float32),
        parts=np.zeros((3, steps * max(2 * units, characters)), np.float32),
        gradients=np.zeros((2, max(_TILE, 4 * sizes.max())), np.float32),
        grams=np.zeros((2, steps, steps), np.float32),
        sums_1G=np.zeros((1, 4 * units), np.float32),
        bias_G=np.zeros(4 * units, np.float32),
        states_1H=np.zeros((1, units), np.float32),
        grad_cell_1H=np.zeros((1, units), np.float32),
        steps_T=np.arange(steps),
        jobs=np.zeros((layers * (2 * steps + 1) + len(matrices) + 1, 3), np.int64),
        **weight_views,
        **factor_views,
    )


def _factor_shapes(config: ModelConfig, characters: int, steps: int) -> Shapes:
    """Return the shapes of the factors of gradients, in the order of `factors_F`."""
    layers, units = config.num_layers, config.hidden_size
    return {
        "hidden_LTH": (layers, steps + 1, units),
        "gates_LTG": (layers, steps, 4 * units),
        "one_hot_TV": (steps, characters),
        "logits_TV": (steps, characters),
        "ones_T": (steps,),
    }


def _list_tiles(
    config: ModelConfig, characters: int, steps: int, factor_shapes: Shapes
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the table of weight matrices and that of their tiles; see `Arrays`."""
    layers, units, gates = config.num_layers, config.hidden_size, 4 * config.hidden_size
    sizes = [math.prod(shape) for shape in factor_shapes.values()]
    hidden, gradients, one_hot, logits, ones = accumulate([0, *sizes[:-1]])

    def hidden_of(layer: int) -> int:
        return hidden + layer * (steps + 1) * units

    def gradient_of(layer: int) -> int:
        return gradients + layer * steps * gates

    # rows, columns, left factor, right factor, copy, in the order of `weight_shapes`
    shapes = [(characters, gates, one_hot, gradients, -1)]
    shapes += [
        (gates, units, gradient_of(layer), hidden_of(layer - 1) + units, -1)
        for layer in range(1, layers)
    ]
    shapes += [
        (gates, units, gradient_of(layer), hidden_of(layer), layer * gates * units)
        for layer in range(layers)
    ]
    shapes += [(1, gates, ones, gradient_of(layer), -1) for layer in [*range(layers)] * 2]
    shapes += [(characters, units, logits, hidden_of(layers - 1) + units, -1)]
    shapes += [(1, characters, ones, logits, -1)]
    matrices, tiles, first, squares = [], [], 0, 0
    for number, (rows, columns, left, right, copy) in enumerate(shapes):
        matrices.append((first, rows, columns, left, right, copy, squares))
        first, squares = first + rows * columns, squares + rows + columns
        height = max(1, _TILE // columns // _TILE_ROWS) * _TILE_ROWS
        tiles += [(number, row, min(row + height, rows)) for row in range(0, rows, height)]
    return np.array(matrices), np.array(tiles)
