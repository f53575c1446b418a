"""The state and the weights of one recurrent layer, as all engines use them.

Shape suffixes: T steps, B streams, I inputs, H units, G gate rows (4H lstm, 3H gru, H rnn).
"""

from typing import NamedTuple

from torch import Tensor

LayerState = tuple[Tensor, ...]
"""(hidden_BH, cell_BH) of an lstm layer, (hidden_BH,) of a gru or rnn layer."""


class LayerWeights(NamedTuple):
    """The parameters of one layer, with the shapes of `torch.nn.LSTM`, `GRU` and `RNN`.

    The order of the gates is also that of torch: lstm i, f, g, o; gru r, z, n.
    """

    weight_ih_GI: Tensor
    weight_hh_GH: Tensor
    bias_ih_G: Tensor
    bias_hh_G: Tensor
