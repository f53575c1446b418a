import torch

from charrnn.analysis.activities import activities
from tests.analysis.small_model import make_small_model


@torch.no_grad()
def test_a_closed_output_gate_gives_an_activity_of_zero() -> None:
    model = make_small_model("lstm", layers=1)
    output_gate_of_unit_2 = 3 * 6 + 1
    model.layer_weights(0).bias_ih_G[output_gate_of_unit_2] = -200
    values_TBU, _ = activities(model, torch.tensor([[1], [2], [3]]), model.initial_state(1))
    assert values_TBU[:, 0, 1].tolist() == [0, 0, 0]
    assert values_TBU.isfinite().all()
    assert (values_TBU[:, 0, 0] != 0).all()
