import pytest
import torch

from charrnn.numerics.cuda_graph import cuda_graph


@pytest.mark.gpu
def test_a_captured_graph_repeats_its_work() -> None:
    counter = torch.zeros((), device="cuda")

    def work() -> None:
        counter.add_(1)

    replay = cuda_graph(work)
    before = counter.item()
    replay()
    assert counter.item() == before + 1
