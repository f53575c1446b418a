"""Dropout masks, against overfitting in training.

The masks are a function of the seed and the step. Within a batch, all time steps have the same
masks.

Shape suffixes: B streams, V characters of the vocabulary, H units, L layers, G gate rows.
"""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from charrnn.config.model import ModelConfig
from charrnn.config.training import ResolvedTrainConfig
from charrnn.numerics.randomness import Purpose, mask_bytes, mask_key


@dataclass(frozen=True)
class Masks:
    """Dropout factors of one batch: 0 for a dropped element, else 1 / (1 - rate).

    None means that nothing is dropped.
    """

    inputs_V: Tensor | None = None
    """For the input characters (embedding dropout: Gal and Ghahramani, 2016)."""
    recurrent_LGH: Tensor | None = None
    """For the recurrent weights (DropConnect: Merity, Keskar and Socher, 2018)."""
    between_LBH: Tensor | None = None
    """For the outputs of each layer but the last (locked dropout: Gal and Ghahramani, 2016)."""
    output_BH: Tensor | None = None
    """For the outputs of the last layer."""
    carried_B1: Tensor | None = None
    """For the carried state: 0 for a stream that restarts from the initial state, else 1."""

    def select_streams(self, streams: slice) -> "Masks":
        """Return the masks of a range of streams."""
        return dataclasses.replace(
            self,
            between_LBH=None if self.between_LBH is None else self.between_LBH[:, streams],
            output_BH=None if self.output_BH is None else self.output_BH[streams],
            carried_B1=None if self.carried_B1 is None else self.carried_B1[streams],
        )


NO_MASKS = Masks()

MaskBytes = dict[str, Tensor]
"""Random bytes by mask name, one byte per element. A missing mask drops nothing."""


def mask_shapes(
    config: ResolvedTrainConfig, model: ModelConfig, vocabulary_size: int
) -> dict[str, tuple[int, ...]]:
    """Return the shape of each mask that drops anything, by its name."""
    layers, streams, units = model.num_layers, config.batch_size, model.hidden_size
    shapes = {
        "inputs_V": (vocabulary_size,),
        "recurrent_LGH": (layers, model.num_gates * units, units),
        "between_LBH": (layers - 1, streams, units),
        "output_BH": (streams, units),
        "carried_B1": (streams, 1),
    }
    return {name: shapes[name] for name, (_, rate) in _mask_rates(config).items() if rate}


def mask_keys(config: ResolvedTrainConfig, names: Iterable[str], step: int) -> NDArray[np.uint64]:
    """Return the keys of the random bytes of these masks at `step`: (masks, 2) words."""
    purposes = [_mask_rates(config)[name][0] for name in names]
    keys = [mask_key(config.seed, purpose, step) for purpose in purposes]
    return np.array(keys, np.uint64).reshape(-1, 2)


def random_mask_bytes(
    config: ResolvedTrainConfig, model: ModelConfig, vocabulary_size: int, step: int
) -> MaskBytes:
    """Return the random bytes of the masks of `step` (counted from 0)."""
    return {
        name: torch.from_numpy(mask_bytes(config.seed, _mask_rates(config)[name][0], step, shape))
        for name, shape in mask_shapes(config, model, vocabulary_size).items()
    }


def make_masks(random_bytes: MaskBytes, config: ResolvedTrainConfig) -> Masks:
    """Make masks from their random bytes, on the device of the bytes.

    Each byte decides about one element. So rates are rounded to the nearest 1/256; a rate above
    zero is at least 1/256. Kept elements are scaled by 1 / (1 - rate), except the carried state.
    """
    rates = _mask_rates(config)
    masks = {}
    for name, bytes_ in random_bytes.items():
        dropped = max(1, round(256 * rates[name][1]))
        factor = 1.0 if name == "carried_B1" else 256 / (256 - dropped)
        mask = torch.empty(bytes_.shape, dtype=torch.float32, device=bytes_.device)
        masks[name] = torch.ge(bytes_, dropped, out=mask).mul_(factor)  # without a bool tensor
    return Masks(**masks)


def _mask_rates(config: ResolvedTrainConfig) -> dict[str, tuple[Purpose, float]]:
    """Return the purpose of the random bytes of each mask, and its dropout rate."""
    return {
        "inputs_V": (Purpose.INPUT_DROPOUT, config.input_dropout),
        "recurrent_LGH": (Purpose.WEIGHT_DROP, config.weight_drop),
        "between_LBH": (Purpose.DROPOUT, config.dropout),
        "output_BH": (Purpose.OUTPUT_DROPOUT, config.output_dropout),
        "carried_B1": (Purpose.STATE_DROP, config.state_drop),
    }
