import pytest
import torch

from charrnn.recurrence import native
from charrnn.recurrence.cpu import lstm
from charrnn.recurrence.dispatch import run_layer
from charrnn.recurrence.layer import LayerWeights
from tests.recurrence.layers import layer, plain, single


def test_the_engine_is_chosen_by_what_there_is() -> None:
    weights = single(layer(units=4))[2]
    assert lstm.serves(32, weights)
    assert not lstm.serves(31, weights)
    assert not lstm.serves(32, LayerWeights(*(each.double() for each in weights)))
    assert not lstm.serves(32, LayerWeights(*(each.to("meta") for each in weights)))
    with torch.autocast("cpu", torch.bfloat16):
        assert lstm.serves(1, weights)
    with torch.autocast("cpu", torch.float16):
        assert not lstm.serves(64, weights)
    torch.set_num_threads(2)
    assert not lstm.serves(63, weights)


@pytest.mark.parametrize("batch", [3, 32])
def test_every_engine_gives_the_same_layer(batch: int) -> None:
    inputs, state, weights = single(layer(4, batch))
    whole, _ = run_layer("lstm", inputs, state, weights)
    torch.testing.assert_close(whole, native.run_layer("lstm", inputs, state, weights)[0])
    torch.testing.assert_close(whole, plain(inputs, state, weights)[0])
