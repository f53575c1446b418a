import numpy as np
import pytest

from charrnn.randomness import (
    Purpose,
    SampleUniforms,
    epoch_offset,
    keep_masks,
    preview_seed,
)


def test_the_number_of_a_sample_does_not_depend_on_how_many_are_drawn() -> None:
    many = SampleUniforms(seed=5, num_samples=50).at(9)
    for number in range(1, 50):
        assert np.array_equal(SampleUniforms(5, number).at(9), many[:number])


def test_numbers_differ_between_seeds_positions_and_samples() -> None:
    numbers = np.stack(
        [SampleUniforms(seed, 12).at(position) for seed in range(20) for position in range(20)]
    )
    assert len(np.unique(numbers)) == numbers.size
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert numbers.mean() == pytest.approx(0.5, abs=0.03)


def test_the_numbers_are_those_of_earlier_versions() -> None:
    """A failure means that every seed now writes another text: note it in the CHANGELOG."""
    assert SampleUniforms(1, 2).at(0).tolist() == pytest.approx(GOLDEN_UNIFORMS, abs=1e-15)
    assert [epoch_offset(1, epoch, 999) for epoch in range(3)] == GOLDEN_OFFSETS
    assert preview_seed(1, 100) == GOLDEN_PREVIEW


GOLDEN_UNIFORMS = [0.3035680343067586, 0.8487087496857769]
GOLDEN_OFFSETS = [420, 523, 688]
GOLDEN_PREVIEW = 3327318938


@pytest.mark.parametrize("share", [0.25, 0.4, 0.001])
def test_masks_keep_the_mean_and_follow_purpose_seed_and_step(share: float) -> None:
    kind = Purpose.DROPOUT
    masks = keep_masks(1, kind, 10, (3, 64, 67), share)
    assert masks.dtype == np.float32
    assert masks.shape == (3, 64, 67)
    kept = np.unique(masks)
    assert kept[0] == 0
    assert kept[1:] == pytest.approx(1 / (1 - max(share, 1 / 256)), abs=0.006)
    assert (masks == 0).mean() == pytest.approx(share, abs=0.015)
    assert masks.mean() == pytest.approx(1, abs=0.03)
    assert np.array_equal(masks, keep_masks(1, kind, 10, (3, 64, 67), share))
    for other in ((2, kind, 10), (1, Purpose.WEIGHT_DROP, 10), (1, kind, 11)):
        assert not np.array_equal(masks, keep_masks(*other, (3, 64, 67), share))


def test_purposes_keep_their_numbers() -> None:
    """A failure means that runs no longer resume as they were: add purposes at the end only."""
    assert [each.name for each in Purpose] == [
        "EPOCH_OFFSET",
        "DROPOUT",
        "PREVIEW",
        "OUTPUT_DROPOUT",
        "WEIGHT_DROP",
        "INPUT_DROPOUT",
        "STATE_DROP",
    ]
