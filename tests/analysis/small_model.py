"""A small model of any cell."""

from charrnn.config.model import Cell, ModelConfig
from charrnn.data.vocabulary import Vocabulary
from charrnn.model.network import CharRNN


def make_small_model(cell: Cell, layers: int = 2, units: int = 6) -> CharRNN:
    config = ModelConfig(num_layers=layers, hidden_size=units, cell=cell)
    return CharRNN(config, Vocabulary(tuple("\nabc"))).initialize(3).eval()
