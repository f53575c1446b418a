import subprocess
import sys
from pathlib import Path

import pytest
import torch

from charrnn.recurrence.cpu import lstm, threads
from tests.recurrence.layers import as_float32, assert_close_norm, layer, run_with_gradients


def test_engine_keeps_the_thread_count_of_other_threads() -> None:
    subprocess.run([sys.executable, Path(__file__).with_name("thread_counts.py")], check=True)


def test_threads_divide_the_streams_and_torch_keeps_its_threads() -> None:
    case, loss_weights = as_float32(layer(6, 70, 8, 5)), (1.0, 1.0, 1.0)
    alone = run_with_gradients(lstm.run_layer, case, loss_weights)
    torch.set_num_threads(2)
    assert threads.max_streams_per_thread(70) == 35
    together = run_with_gradients(lstm.run_layer, case, loss_weights)
    assert torch.get_num_threads() == 2
    assert_close_norm(together, [tensor.double() for tensor in alone], 1e-6)


def test_error_in_a_thread_is_raised_after_all_threads_end() -> None:
    torch.set_num_threads(2)
    ended = []

    def run(shard: slice) -> None:
        if shard.start == 0:
            raise ValueError(shard)
        ended.append(shard)

    with pytest.raises(ValueError, match="slice"):
        threads.run_in_threads(run, 64)
    assert ended == [slice(32, 64)]
