"""What training leaves out at random, so that a network does not learn its text by heart.

All of it is a function of seed and step, the same for every step of time within a batch.

Shape suffixes: B streams, V characters of the vocabulary, H units, L layers, G gate rows.
"""

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor

from charrnn.config import ModelConfig, TrainConfig
from charrnn.randomness import Purpose, keep_masks


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


ALL_KEPT = Masks()


def draw_masks(
    config: TrainConfig, model: ModelConfig, vocabulary_size: int, step: int, device: torch.device
) -> Masks:
    """Draw the masks of `step` (from 0); `config` is resolved."""
    assert config.batch_size
    assert config.dropout is not None
    assert config.output_dropout is not None
    assert config.weight_drop is not None
    layers, streams, units = model.num_layers, config.batch_size, model.hidden_size

    def mask(purpose: Purpose, share: float, *shape: int) -> Tensor | None:
        if not share:
            return None
        return torch.from_numpy(keep_masks(config.seed, purpose, step, shape, share)).to(device)

    carried_B1 = mask(Purpose.STATE_DROP, config.state_drop, streams, 1)
    return Masks(
        inputs_V=mask(Purpose.INPUT_DROPOUT, config.input_dropout, vocabulary_size),
        recurrent_LGH=mask(
            Purpose.WEIGHT_DROP, config.weight_drop, layers, model.gates * units, units
        ),
        between_LBH=mask(Purpose.DROPOUT, config.dropout, layers - 1, streams, units),
        output_BH=mask(Purpose.OUTPUT_DROPOUT, config.output_dropout, streams, units),
        carried_B1=None if carried_B1 is None else carried_B1.sign(),
    )
