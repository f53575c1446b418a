import numpy as np
import pytest

from charrnn.numerics.randomness import (
    Purpose,
    SampleUniforms,
    epoch_offset,
    mask_bytes,
    preview_seed,
)


def test_uniforms_of_a_sample_do_not_depend_on_the_number_of_samples() -> None:
    many = SampleUniforms(seed=5, num_samples=50).at(9)
    for number in range(1, 50):
        assert np.array_equal(SampleUniforms(5, number).at(9), many[:number])


def test_a_block_of_numbers_is_the_highest_53_bits_of_philox() -> None:
    bits = np.random.Philox(key=5, counter=0)
    block_KB = SampleUniforms(seed=5, num_samples=7).block(3, 4)
    for position, uniforms_B in enumerate(block_KB, 3):
        state = bits.state
        state["state"]["counter"][:] = [0, position, 0, 0]
        bits.state = {**state, "buffer_pos": 4}
        assert np.array_equal(uniforms_B, (bits.random_raw(7) >> np.uint64(11)) * 2.0**-53)
        assert np.array_equal(uniforms_B, SampleUniforms(5, 7).at(position))


def test_uniforms_differ_between_seeds_positions_and_samples() -> None:
    numbers = np.stack(
        [SampleUniforms(seed, 12).at(position) for seed in range(20) for position in range(20)]
    )
    assert len(np.unique(numbers)) == numbers.size
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert numbers.mean() == pytest.approx(0.5, abs=0.03)


def test_random_numbers_equal_those_of_earlier_versions() -> None:
    """A failure means that every seed now gives another text: note it in the CHANGELOG."""
    assert SampleUniforms(1, 2).at(0).tolist() == pytest.approx(GOLDEN_UNIFORMS, abs=1e-15)
    assert [epoch_offset(1, epoch, 999) for epoch in range(3)] == GOLDEN_OFFSETS
    assert preview_seed(1, 100) == GOLDEN_PREVIEW


GOLDEN_UNIFORMS = [0.3035680343067586, 0.8487087496857769]
GOLDEN_OFFSETS = [420, 523, 688]
GOLDEN_PREVIEW = 3327318938


def test_mask_bytes_are_uniform_and_depend_on_purpose_seed_and_step() -> None:
    purpose = Purpose.DROPOUT
    drawn = mask_bytes(1, purpose, 10, (3, 64, 67))
    assert drawn.dtype == np.uint8
    assert drawn.shape == (3, 64, 67)
    counts = np.bincount(drawn.ravel(), minlength=256)
    assert counts.min() > 0
    assert ((counts - counts.mean()) ** 2 / counts.mean()).sum() < 350  # chi-squared, 255 degrees
    assert np.array_equal(drawn, mask_bytes(1, purpose, 10, (3, 64, 67)))
    for other in ((2, purpose, 10), (1, Purpose.WEIGHT_DROP, 10), (1, purpose, 11)):
        assert not np.array_equal(drawn, mask_bytes(*other, (3, 64, 67)))


def test_purposes_keep_their_numbers() -> None:
    """A failure means that runs no longer resume exactly: add purposes only at the end."""
    assert [purpose.name for purpose in Purpose] == [
        "EPOCH_OFFSET",
        "DROPOUT",
        "PREVIEW",
        "OUTPUT_DROPOUT",
        "WEIGHT_DROP",
        "INPUT_DROPOUT",
        "STATE_DROP",
        "DOCUMENT_ORDER",
    ]
