import numpy as np
import pytest
from beside_nanogpt import iteration_seconds, last_before
from nanogpt_loss import BLOCK, STRIDE, block_starts, counted_predictions


@pytest.mark.parametrize("length", [BLOCK, BLOCK + 1, 5 * BLOCK, 5 * BLOCK + 7])
@pytest.mark.parametrize("stride", [BLOCK, STRIDE])
def test_each_character_counts_once(length: int, stride: int) -> None:
    starts_B = block_starts(length, stride)
    positions_BT = starts_B[:, None] + np.arange(BLOCK)
    counted = positions_BT[counted_predictions(starts_B)]
    assert sorted(counted) == list(range(length))


def test_sliding_blocks_have_context() -> None:
    counted_BT = counted_predictions(block_starts(5 * BLOCK, STRIDE))
    assert not counted_BT[1:, : BLOCK - STRIDE].any()


def test_speed_is_the_median_after_the_first_ten_iterations() -> None:
    slow = [f"iter {n}: loss 4.0000, time 900.00ms, mfu -100.00%\n" for n in range(10)]
    fast = [f"iter {n}: loss 3.0000, time {n}.50ms, mfu 1.00%\n" for n in range(10, 13)]
    lines = iter(["step 0: train loss 4.2, val loss 4.2\n", *slow, *fast])
    assert iteration_seconds(lines) == pytest.approx(0.0115)


def test_a_row_has_the_last_checkpoint_of_its_time() -> None:
    losses = [{"seconds": 5.0, "carried": 2.0}, {"seconds": 9.0, "carried": 1.8}]
    assert last_before(losses, 4.0) == {}
    assert last_before(losses, 9.5)["carried"] == 1.8
