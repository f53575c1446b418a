import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from charrnn.config.training import ResolvedTrainConfig
from charrnn.model.dropout import Masks, make_masks, mask_keys, mask_shapes, random_mask_bytes
from tests.conftest import TINY_MODEL, UNREGULARIZED


def draw_masks(rates: dict[str, Any], step: int = 3) -> Masks:
    config: ResolvedTrainConfig = dataclasses.replace(UNREGULARIZED, **rates)
    return make_masks(random_mask_bytes(config, TINY_MODEL, 20, step), config)


def test_without_rates_there_are_no_masks() -> None:
    assert draw_masks({}) == Masks()


@pytest.mark.parametrize(
    ("rate", "name", "shape"),
    [
        ("dropout", "between_LBH", (1, 32, 16)),
        ("output_dropout", "output_BH", (32, 16)),
        ("weight_drop", "recurrent_LGH", (2, 64, 16)),
        ("input_dropout", "inputs_V", (20,)),
        ("state_drop", "carried_B1", (32, 1)),
    ],
)
def test_each_rate_has_its_own_mask(rate: str, name: str, shape: tuple[int, ...]) -> None:
    masks = dataclasses.asdict(draw_masks({rate: 0.5}))
    mask = masks.pop(name)
    assert mask.shape == shape
    assert set(mask.unique().tolist()) == {0.0, 1.0 if rate == "state_drop" else 2.0}
    assert set(masks.values()) == {None}
    assert torch.equal(mask, dataclasses.asdict(draw_masks({rate: 0.5}))[name])
    others = [dataclasses.asdict(draw_masks({rate: 0.5}, step))[name] for step in range(4, 9)]
    assert not all(torch.equal(mask, other) for other in others)


def test_masks_are_functions_of_their_random_bytes() -> None:
    config = dataclasses.replace(UNREGULARIZED, weight_drop=0.3, state_drop=0.1)
    bytes_ = random_mask_bytes(config, TINY_MODEL, 20, step=3)
    masks = make_masks(bytes_, config)
    assert masks.recurrent_LGH is not None
    is_kept = bytes_["recurrent_LGH"] >= 77
    assert torch.equal(masks.recurrent_LGH, is_kept.float() * (256 / (256 - 77)))
    assert {name: tuple(array.shape) for name, array in bytes_.items()} == mask_shapes(
        config, TINY_MODEL, 20
    )
    for (name, drawn_bytes), key in zip(
        bytes_.items(), mask_keys(config, bytes_, step=3), strict=True
    ):
        raw = np.random.Philox(key=key).random_raw(2).view(np.uint8)
        assert np.array_equal(drawn_bytes.flatten()[:16].numpy(), raw), name
