import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.data.batches import Batches
from charrnn.errors import CorpusError


@given(
    length=st.integers(2, 400),
    batch_size=st.integers(1, 6),
    seq_length=st.integers(1, 9),
    seed=st.integers(0, 9),
)
def test_batches_read_each_stream_in_order_and_leave_out_less_than_one_batch(
    length: int, batch_size: int, seq_length: int, seed: int
) -> None:
    codes = np.arange(length, dtype=np.uint16)
    if length - 1 < batch_size * seq_length:
        with pytest.raises(CorpusError, match="one batch of"):
            Batches(codes, batch_size, seq_length, seed)
        return
    batches = Batches(codes, batch_size, seq_length, seed)
    for epoch in range(3):
        first = epoch * batches.steps_per_epoch
        windows = [batches.read_window(first + step) for step in range(batches.steps_per_epoch)]
        inputs_TB = np.concatenate([window_TB[:-1] for window_TB in windows])
        targets_TB = np.concatenate([window_TB[1:] for window_TB in windows])
        assert np.array_equal(targets_TB, inputs_TB + 1)
        # The streams of an epoch, one after another, are one contiguous part of the text.
        part = inputs_TB.T.ravel()
        assert np.array_equal(part, np.arange(len(part)) + part[0])
        assert length - 1 - len(part) < batch_size * seq_length
        assert targets_TB.max() < length


def test_the_offset_differs_between_epochs_and_seeds() -> None:
    codes = np.arange(1000, dtype=np.uint16)
    batches = Batches(codes, 5, 70, seed=1)
    offsets = {int(batches.read_window(step * batches.steps_per_epoch)[0, 0]) for step in range(20)}
    assert len(offsets) > 10
    other = Batches(codes, 5, 70, seed=2)
    assert not np.array_equal(other.read_window(0), batches.read_window(0))


def test_a_window_is_the_first_position_plus_the_offsets() -> None:
    codes = np.arange(500, dtype=np.uint16)
    batches = Batches(codes, 6, 8, seed=3)
    for streams in (slice(None), slice(2, 5)):
        for step in (0, 1, batches.steps_per_epoch, 3 * batches.steps_per_epoch + 2):
            positions_TB = batches.first_position(step) + batches.offsets(streams)
            assert np.array_equal(batches.read_window(step, streams), positions_TB)
