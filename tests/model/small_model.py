"""A small model, and a text for it."""

from dataclasses import replace
from typing import get_args

import torch

from charrnn.config.model import Cell, ModelConfig
from charrnn.data.vocabulary import Vocabulary
from charrnn.model.network import CharRNN

CELLS = get_args(Cell)

VOCABULARY = Vocabulary("\n abcdef")

SHAPE = ModelConfig(num_layers=3, hidden_size=16)


def small_model(cell: Cell = "lstm") -> CharRNN:
    return CharRNN(replace(SHAPE, cell=cell), VOCABULARY).initialize(1)


def random_codes(steps: int = 12, streams: int = 4) -> torch.Tensor:
    draws = torch.Generator().manual_seed(7)
    return torch.randint(0, len(VOCABULARY), (steps, streams), generator=draws)
