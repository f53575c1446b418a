"""Train on large.txt; print the increase of the peak memory by training, in MiB."""

import resource
import sys

import charrnn.cli.app  # noqa: F401
from charrnn.config.model import ModelConfig
from charrnn.config.training import TrainConfig
from charrnn.training.loop import train


def peak_memory() -> float:
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


before = peak_memory()
small = TrainConfig(batch_size=32, seq_length=64, max_steps=40, eval_every=99, device="cpu")
for _ in train("large.txt", small, ModelConfig(num_layers=2, hidden_size=16)):
    pass
print(peak_memory() - before)
