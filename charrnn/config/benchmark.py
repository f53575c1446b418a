"""What `charrnn bench` measures."""

from dataclasses import dataclass
from typing import Annotated

from charrnn.config.checks import CheckedFields, Range
from charrnn.config.parsing import parse_duration
from charrnn.config.training import DeviceName


@dataclass(frozen=True, kw_only=True)
class BenchConfig(CheckedFields):
    """What `charrnn bench` measures: a training step of these sizes."""

    num_layers: Annotated[int, Range(1, 64), "Number of recurrent layers."] = 3
    hidden_size: Annotated[int, Range(1, 16_384), "Units per layer."] = 512
    batch_size: Annotated[int, Range(1, 2**20), "Parallel streams."] = 64
    seq_length: Annotated[int, Range(2, 2**20), "Characters per stream in each step."] = 128
    vocabulary_size: Annotated[int, Range(2, 2**20), "Distinct characters."] = 65
    device: Annotated[DeviceName, "Device to measure; auto: cuda if available, else cpu."] = "auto"
    threads: Annotated[int | None, Range(1, 4096), "CPU threads; default: one per core."] = None
    max_time: Annotated[
        float,
        Range(0.001, 10**9),
        "Start no new round of measurements after this time.",
        parse_duration,
    ] = 40.0
