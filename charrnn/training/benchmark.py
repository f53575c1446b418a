"""The speed of training compared with stock PyTorch and the device limit; the cost of 8 bits."""

import dataclasses
import statistics
import time
from dataclasses import dataclass

import numpy as np
import torch

from charrnn.analysis.scoring import character_nats, engine_nats
from charrnn.config.benchmark import BenchConfig
from charrnn.config.model import ModelConfig
from charrnn.config.training import TrainConfig
from charrnn.data import catalogue
from charrnn.model.loading import load_checkpoint
from charrnn.numerics.cpu import cpu_name
from charrnn.numerics.devices import choose_device
from charrnn.numerics.information import nats_to_bits
from charrnn.numerics.precision import cpu_instructions, has_bfloat16
from charrnn.numerics.threads import set_threads
from charrnn.recurrence.dispatch import describe_cpu_engine, describe_engine
from charrnn.runs.find import BUNDLED, find_run
from charrnn.sampling.engines.selection import engine_for_checkpoint
from charrnn.training.benchmark_steps import make_contenders, measured_precisions
from charrnn.training.benchmark_timing import Timing
from charrnn.training.setup.defaults import resolve_config

_MEGABYTE = 1_000_000  # characters that are trained on
_SCORED_CHARACTERS = 10_000  # from which the loss of the 8-bit weights is computed


@dataclass(frozen=True)
class ContenderSpeed:
    """The speed of one contender over all rounds, in characters per second."""

    name: str
    median: float
    minimum: float
    maximum: float
    times_stock: float
    """The median over rounds of the speed divided by the speed of stock float32."""


@dataclass(frozen=True)
class QuantizationCost:
    """The change of the loss by the 8-bit weights of the sampling engine, in bits per character."""

    run: str
    text: str
    characters: int
    float32_bits: float
    quantized_bits: float
    change: float


@dataclass(frozen=True)
class ShapeSpeeds:
    """The speeds for another number of streams and of characters of each stream in a step."""

    batch_size: int
    seq_length: int
    measured: tuple[ContenderSpeed, ...]


@dataclass(frozen=True)
class BenchmarkResult:
    """The results of a benchmark, and the machine and settings that they belong to."""

    processor: str
    """The name of the device: of the CPU or the GPU."""
    device: str
    instructions: str
    """The vector and matrix instructions of the CPU that the results depend on."""
    torch: str
    bfloat16_instructions: bool
    threads: int
    cpu_share: float | None
    """The CPU time of the large products, as a fraction of what the threads can get.

    It is below 0.9 if other programs need the CPU. None on a GPU, or if they took too little time.
    """
    config: BenchConfig
    rounds: int
    measured: tuple[ContenderSpeed, ...]
    default_shape: ShapeSpeeds | None
    """The speeds for the default shape of a text of a megabyte, unless `config` has that shape."""
    quantization: QuantizationCost
    engines: dict[str, str]
    """The engine that charrnn uses in each precision, and the reason if it is not the fastest."""


def run_benchmark(config: BenchConfig, *, with_default_shape: bool = True) -> BenchmarkResult:
    """Time the forward and backward pass of training steps, in turns for all contenders.

    The limit is the time of the matrix products of a step at the speed of one large product. The
    16-bit precisions are measured if the device has instructions for them. On a GPU, charrnn
    computes float32 products as TF32; stock float32 does not. With `with_default_shape`, steps of
    the default shape of a text of a megabyte are measured too.
    """
    threads, device = set_threads(config.threads), choose_device(config.device)
    engines = _describe_engines(config, device)  # checked before a graph is captured
    configs = [config]
    default_config = _with_default_shape(config, device, threads)
    if with_default_shape and default_config != config:
        configs.append(default_config)
    timings = [Timing(make_contenders(shape, device), device) for shape in configs]
    first_start = time.perf_counter()
    while not timings[0].rounds or time.perf_counter() - first_start < config.max_time:
        for timing in timings:
            timing.run_round()
    speeds = [
        _compute_speeds(shape.batch_size * shape.seq_length, timing.seconds)
        for shape, timing in zip(configs, timings, strict=True)
    ]
    return BenchmarkResult(
        processor=_device_name(device),
        device=device.type,
        instructions=cpu_instructions(),
        torch=torch.__version__,
        bfloat16_instructions=has_bfloat16(),
        threads=threads,
        cpu_share=timings[0].cpu_share(threads),
        config=config,
        rounds=timings[0].rounds,
        measured=speeds[0],
        default_shape=ShapeSpeeds(default_config.batch_size, default_config.seq_length, speeds[1])
        if len(speeds) > 1
        else None,
        quantization=measure_quantization_cost(),
        engines=engines,
    )


def _with_default_shape(config: BenchConfig, device: torch.device, threads: int) -> BenchConfig:
    """Return the settings with the default shape of a step for a text of a megabyte."""
    defaults = resolve_config(
        TrainConfig(),
        _MEGABYTE,
        _MEGABYTE // 10,
        device=device.type,
        precision="float32",
        threads=threads,
    )
    return dataclasses.replace(
        config, batch_size=defaults.batch_size, seq_length=defaults.seq_length
    )


def _compute_speeds(characters: int, seconds: dict[str, list[float]]) -> tuple[ContenderSpeed, ...]:
    """Return the speeds of all contenders from the seconds of their steps of `characters`."""
    return tuple(
        ContenderSpeed(
            name=name,
            median=characters / statistics.median(times),
            minimum=characters / max(times),
            maximum=characters / min(times),
            times_stock=statistics.median(
                stock / contender
                for stock, contender in zip(seconds["stock float32"], times, strict=True)
            ),
        )
        for name, times in seconds.items()
    )


def measure_quantization_cost(run: str = BUNDLED) -> QuantizationCost:
    """Compare the loss with 8-bit weights and with float32 weights, on a text that is new to both.

    The text is the beginning of the bundled play, without characters that the vocabulary lacks.
    """
    checkpoint = find_run(run).select()
    model = load_checkpoint(checkpoint, "cpu")
    text = catalogue.bundled_path().read_text("utf-8")[:_SCORED_CHARACTERS]
    codes = model.vocabulary.encode(text, "skip")
    float32, quantized = (
        nats_to_bits(float(nats_N.mean(dtype=np.float64)))
        for nats_N in (
            character_nats(model, codes),
            engine_nats(engine_for_checkpoint(checkpoint, device="cpu"), codes),
        )
    )
    return QuantizationCost(
        run, catalogue.bundled_name(), len(codes), float32, quantized, quantized - float32
    )


def _describe_engines(config: BenchConfig, device: torch.device) -> dict[str, str]:
    """Return the engine of each precision, and the reason for it."""
    shape = ModelConfig(num_layers=config.num_layers, hidden_size=config.hidden_size)
    engines = {}
    for precision in measured_precisions(device):
        engine = describe_engine(
            shape,
            config.vocabulary_size,
            steps=config.seq_length,
            streams=config.batch_size,
            precision=precision,
            device=device,
        )
        if device.type == "cpu":
            engine = describe_cpu_engine(config.batch_size, precision)
        if engine:
            engines[precision] = engine
    return engines


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_name()
