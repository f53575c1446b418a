"""What training leaves out at random, so that a network does not learn its text by heart.

All of it is a function of seed and step, the same for every step of time within a batch.

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
    """Factors of one batch: 0 for what is left out, and the rest makes up for it.

    None where all is kept.
    """

    inputs_V: Tensor | None = None
    """Of the characters read (embedding dropout: Gal and Ghahramani, 2016)."""
    recurrent_LGH: Tensor | None = None
    """Of the recurrent weights (DropConnect: Merity, Keskar and Socher, 2018)."""
    between_LBH: Tensor | None = None
    """Of the outputs of each layer but the last (locked dropout: Gal and Ghahramani, 2016)."""
    output_BH: Tensor | None = None
    """Of the outputs of the last layer."""
    carried_B1: Tensor | None = None
    """Of the carried state: 0 for a stream that goes on from a blank one, else 1."""

    def of(self, streams: slice) -> "Masks":
        """Return the masks of some of the streams."""
        return dataclasses.replace(
            self,
            between_LBH=None if self.between_LBH is None else self.between_LBH[:, streams],
            output_BH=None if self.output_BH is None else self.output_BH[streams],
            carried_B1=None if self.carried_B1 is None else self.carried_B1[streams],
        )


NO_MASKS = Masks()

MaskBytes = dict[str, Tensor]
"""Random bytes for each mask, by its name: one for each of its numbers. No bytes: keep all."""


def mask_shapes(
    config: ResolvedTrainConfig, model: ModelConfig, vocabulary_size: int
) -> dict[str, tuple[int, ...]]:
    """Return the shape of each mask that drops anything, by its name."""
    layers, streams, units = model.num_layers, config.batch_size, model.hidden_size
    shapes = {
        "inputs_V": (vocabulary_size,),
        "recurrent_LGH": (layers, model.gates * units, units),
        "between_LBH": (layers - 1, streams, units),
        "output_BH": (streams, units),
        "carried_B1": (streams, 1),
    }
    return {name: shapes[name] for name, (_, share) in _left_out(config).items() if share}


def mask_keys(config: ResolvedTrainConfig, names: Iterable[str], step: int) -> NDArray[np.uint64]:
    """Return the keys of the random bytes of some masks at `step`, two words for each."""
    purposes = [_left_out(config)[name][0] for name in names]
    keys = [mask_key(config.seed, purpose, step) for purpose in purposes]
    return np.array(keys, np.uint64).reshape(-1, 2)


def random_mask_bytes(
    config: ResolvedTrainConfig, model: ModelConfig, vocabulary_size: int, step: int
) -> MaskBytes:
    """Return the random bytes that the masks of `step` (from 0) are made from."""
    return {
        name: torch.from_numpy(mask_bytes(config.seed, _left_out(config)[name][0], step, shape))
        for name, shape in mask_shapes(config, model, vocabulary_size).items()
    }


def make_masks(random_bytes: MaskBytes, config: ResolvedTrainConfig) -> Masks:
    """Make masks from their random bytes, on the device of the bytes.

    A byte decides on each number: rates are rounded to the nearest 1/256, and a rate above zero is
    at least 1/256. What is kept is scaled up to make up for the rest, except the carried state.
    """
    shares = _left_out(config)
    masks = {}
    for name, bytes_ in random_bytes.items():
        dropped = max(1, round(256 * shares[name][1]))
        factor = 1.0 if name == "carried_B1" else 256 / (256 - dropped)
        mask = torch.empty(bytes_.shape, dtype=torch.float32, device=bytes_.device)
        masks[name] = torch.ge(bytes_, dropped, out=mask).mul_(factor)  # without a bool tensor
    return Masks(**masks)


def _left_out(config: ResolvedTrainConfig) -> dict[str, tuple[Purpose, float]]:
    """Return the purpose of the random bytes of each mask, and the share that it drops."""
    return {
        "inputs_V": (Purpose.INPUT_DROPOUT, config.input_dropout),
        "recurrent_LGH": (Purpose.WEIGHT_DROP, config.weight_drop),
        "between_LBH": (Purpose.DROPOUT, config.dropout),
        "output_BH": (Purpose.OUTPUT_DROPOUT, config.output_dropout),
        "carried_B1": (Purpose.STATE_DROP, config.state_drop),
    }
