"""The settings of `charrnn bench`."""

from dataclasses import dataclass
from typing import Annotated

from charrnn.config.checks import CheckedFields, Range
from charrnn.config.parsing import parse_duration
from charrnn.config.training import DeviceName


@dataclass(frozen=True, kw_only=True)
class BenchConfig(CheckedFields):
    """The sizes of the network and of the training step that `charrnn bench` measures."""

    num_layers: Annotated[int, Range(1, 64), "Number of recurrent layers."] = 3
    hidden_size: Annotated[int, Range(1, 16_384), "Number of hidden units in each layer."] = 512
    batch_size: Annotated[int, Range(1, 2**20), "Streams of text that are read in parallel."] = 64
    seq_length: Annotated[
        int, Range(2, 2**20), "Characters of each stream in one training step."
    ] = 128
    vocabulary_size: Annotated[
        int, Range(2, 2**20), "Number of different characters in the text."
    ] = 65
    device: Annotated[
        DeviceName, "Device to measure. auto: the GPU if there is one, else the CPU."
    ] = "auto"
    threads: Annotated[int | None, Range(1, 4096), "CPU threads. Default: one per core."] = None
    max_time: Annotated[
        float,
        Range(0.001, 10**9),
        "Start no new round of measurements after this time, such as 90s or 10m.",
        parse_duration,
    ] = 40.0
