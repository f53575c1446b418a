import pytest
import torch

from charrnn.numerics import threads


def test_threads_are_set_and_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    assert threads.set_threads(3) == 3
    assert torch.get_num_threads() == 3
    monkeypatch.setattr(threads, "available_cores", lambda: 2)
    assert threads.set_threads(None) == 2
    assert torch.get_num_threads() == 2
