"""What `charrnn bench` measures."""

from dataclasses import dataclass
from typing import Annotated

from charrnn.config.checks import check_choice, check_integer, check_number
from charrnn.config.parsing import parse_duration
from charrnn.config.training import DeviceName


@dataclass(frozen=True, kw_only=True)
class BenchConfig:
    """What `charrnn bench` measures: a training step of these sizes."""

    num_layers: Annotated[int, "Recurrent layers."] = 3
    hidden_size: Annotated[int, "Units in each layer."] = 512
    batch_size: Annotated[int, "Parallel streams."] = 64
    seq_length: Annotated[int, "Characters a gradient reaches back."] = 128
    vocabulary_size: Annotated[int, "Distinct characters."] = 65
    device: Annotated[DeviceName, "What is measured; auto: cuda if it is there."] = "auto"
    threads: Annotated[int | None, "Processor threads; left out: one for each core."] = None
    max_time: Annotated[float, "Time after which no new round begins.", parse_duration] = 40.0

    def __post_init__(self) -> None:
        check_integer("num_layers", self.num_layers, 1, 64)
        check_integer("hidden_size", self.hidden_size, 1, 16_384)
        check_integer("batch_size", self.batch_size, 1, 2**20)
        check_integer("seq_length", self.seq_length, 2, 2**20)
        check_integer("vocabulary_size", self.vocabulary_size, 2, 2**20)
        check_choice("device", self.device, ("auto", "cpu", "cuda", "mps"))
        check_integer("threads", self.threads, 1, 4096, optional=True)
        check_number("max_time", self.max_time, 0.001, 10**9)
