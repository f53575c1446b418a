import torch

from charrnn.model.state import State


def test_streams_of_a_state_can_be_selected_and_repeated() -> None:
    state = State((torch.arange(6.0).view(1, 3, 2),))
    assert state.select_streams([2, 2]).parts_LBH[0].tolist() == [[[4, 5], [4, 5]]]
