import dataclasses
from typing import Any

import pytest
import torch

from charrnn.config.training import ResolvedTrainConfig
from charrnn.model.dropout import Masks, masks_of, random_mask_bytes
from tests.conftest import TINY_MODEL, UNREGULARISED


def drawn(shares: dict[str, Any], step: int = 3) -> Masks:
    config: ResolvedTrainConfig = dataclasses.replace(UNREGULARISED, **shares)
    return masks_of(random_mask_bytes(config, TINY_MODEL, 20, step), config)


def test_without_shares_nothing_is_drawn() -> None:
    assert drawn({}) == Masks()


@pytest.mark.parametrize(
    ("share", "name", "shape"),
    [
        ("dropout", "between_LBH", (1, 32, 16)),
        ("output_dropout", "output_BH", (32, 16)),
        ("weight_drop", "recurrent_LGH", (2, 64, 16)),
        ("input_dropout", "inputs_V", (20,)),
        ("state_drop", "carried_B1", (32, 1)),
    ],
)
def test_each_share_draws_its_own_mask(share: str, name: str, shape: tuple[int, ...]) -> None:
    masks = dataclasses.asdict(drawn({share: 0.5}))
    mask = masks.pop(name)
    assert mask.shape == shape
    assert set(mask.unique().tolist()) == {0.0, 1.0 if share == "state_drop" else 2.0}
    assert set(masks.values()) == {None}
    assert torch.equal(mask, dataclasses.asdict(drawn({share: 0.5}))[name])
    others = [dataclasses.asdict(drawn({share: 0.5}, step))[name] for step in range(4, 9)]
    assert not all(torch.equal(mask, each) for each in others)
