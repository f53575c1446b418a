"""The speed of training compared with stock PyTorch and the device limit; the cost of 8 bits.

Shape suffixes: T steps, B streams, V characters of the vocabulary, H units, L layers, N = T * B.
"""

import contextlib
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from charrnn.analysis.scoring import character_nats, engine_nats
from charrnn.config.benchmark import BenchConfig
from charrnn.config.model import ModelConfig
from charrnn.data import catalogue
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import DeviceError
from charrnn.model.loading import load_checkpoint
from charrnn.model.network import CharRNN
from charrnn.numerics.cpu import cpu_name
from charrnn.numerics.cuda_graph import graph_or_eager
from charrnn.numerics.devices import choose_device, ignore_compaction_warning
from charrnn.numerics.information import nats_to_bits
from charrnn.numerics.precision import allow_tf32, autocast, choose_precision, has_bfloat16
from charrnn.numerics.threads import set_threads
from charrnn.recurrence.dispatch import describe_engine
from charrnn.runs.find import BUNDLED, find_run
from charrnn.sampling.engines.selection import engine_for_checkpoint

_SCORED_CHARACTERS = 10_000  # from which the loss of the 8-bit weights is computed
_FIRST_CHARACTER = 0x10000  # after the surrogates, so that a vocabulary has any size


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
class BenchmarkResult:
    """The results of a benchmark, and the machine and settings that they belong to."""

    processor: str
    """The name of the device: of the CPU or the GPU."""
    device: str
    torch: str
    bfloat16_instructions: bool
    threads: int
    config: BenchConfig
    rounds: int
    measured: tuple[ContenderSpeed, ...]
    quantization: QuantizationCost
    engines: dict[str, str]
    """On an NVIDIA GPU: the engine that charrnn uses in each precision, and the reason."""


def run_benchmark(config: BenchConfig) -> BenchmarkResult:
    """Time the forward and backward pass of training steps, in turns for all contenders.

    The limit is the time of the matrix products of a step at the speed of one large product. The
    16-bit precisions are measured if the device has instructions for them. On a GPU, charrnn
    computes float32 products as TF32; stock float32 does not.
    """
    threads, device = set_threads(config.threads), choose_device(config.device)
    engines = _describe_engines(config, device)  # checked before a graph is captured
    contenders = _contenders(config, device)
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for run in contenders.values():
        run()  # compiles functions and allocates memory
    first_start = time.perf_counter()
    while not seconds["limit float32"] or time.perf_counter() - first_start < config.max_time:
        for name, run in contenders.items():
            _synchronize(device)
            start = time.perf_counter()
            run()
            _synchronize(device)
            seconds[name].append(time.perf_counter() - start)
    characters = config.batch_size * config.seq_length
    return BenchmarkResult(
        processor=_device_name(device),
        device=device.type,
        torch=torch.__version__,
        bfloat16_instructions=has_bfloat16(),
        threads=threads,
        config=config,
        rounds=len(seconds["limit float32"]),
        measured=tuple(
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
        ),
        quantization=measure_quantization_cost(),
        engines=engines,
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


def _contenders(config: BenchConfig, device: torch.device) -> dict[str, Callable[[], None]]:
    torch.manual_seed(0)
    sizes = 2, config.seq_length, config.batch_size
    x_TB, y_TB = torch.randint(config.vocabulary_size, sizes).to(device)
    contenders = {}
    for precision in _precisions(device):
        charrnn_step = _charrnn_step(config, precision, x_TB, y_TB)
        if device.type == "cuda":
            charrnn_step = graph_or_eager(charrnn_step, f"a training step in {precision}")
        contenders[f"charrnn {precision}"] = charrnn_step
        contenders[f"stock {precision}"] = _stock_step(config, precision, x_TB, y_TB)
        if device.type == "cuda" and precision == "float32":
            contenders["stock TF32"] = allow_tf32(device)(contenders["stock float32"])
        contenders[f"limit {precision}"] = _limit_step(config, getattr(torch, precision), device)
    return contenders


def _precisions(device: torch.device) -> list[str]:
    """Return the precisions for which the device has instructions."""
    supported = ["float32"]
    for precision in ("bfloat16", "float16"):
        if device.type == "cpu" and not (precision == "bfloat16" and has_bfloat16()):
            continue
        with contextlib.suppress(DeviceError):
            supported.append(choose_precision(precision, device, "lstm"))
    return supported


def _describe_engines(config: BenchConfig, device: torch.device) -> dict[str, str]:
    """Return the engine of each precision, and the reason for it; empty on a CPU."""
    shape = ModelConfig(num_layers=config.num_layers, hidden_size=config.hidden_size)
    engines = {
        precision: describe_engine(
            shape,
            config.vocabulary_size,
            steps=config.seq_length,
            streams=config.batch_size,
            precision=precision,
            device=device,
        )
        for precision in _precisions(device)
    }
    return {precision: engine for precision, engine in engines.items() if engine}


def _synchronize(device: torch.device) -> None:
    """Wait until a GPU has finished its work; do nothing on a CPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_name()


def _charrnn_step(
    config: BenchConfig, precision: str, x_TB: Tensor, y_TB: Tensor
) -> Callable[[], None]:
    shape = ModelConfig(num_layers=config.num_layers, hidden_size=config.hidden_size)
    characters = map(chr, range(_FIRST_CHARACTER, _FIRST_CHARACTER + config.vocabulary_size))
    model = CharRNN(shape, Vocabulary(tuple(characters))).initialize(seed=0).to(x_TB.device)
    state = model.initial_state(config.batch_size)

    def step() -> None:
        model.zero_grad()
        with allow_tf32(x_TB.device):
            with autocast(x_TB.device, precision):
                logits_TBV, _ = model(x_TB, state)
            cross_entropy(logits_TBV.flatten(0, 1), y_TB.flatten()).backward()  # type: ignore[no-untyped-call]

    return step


def _stock_step(
    config: BenchConfig, precision: str, x_TB: Tensor, y_TB: Tensor
) -> Callable[[], None]:
    """Return a step of the usual PyTorch model: Embedding, LSTM, Linear.

    On a GPU, its weights are bfloat16 for bfloat16, because the LSTM computes in float16 under
    autocast.
    """
    units, vocabulary = config.hidden_size, config.vocabulary_size
    embedding, output = nn.Embedding(vocabulary, units), nn.Linear(units, vocabulary)
    layers = nn.LSTM(units, units, config.num_layers)
    modules = nn.ModuleList([embedding, layers, output]).to(x_TB.device)
    if x_TB.device.type == "cuda" and precision == "bfloat16":
        modules.to(torch.bfloat16)
        precision = "float32"  # no autocast

    def step() -> None:
        modules.zero_grad()
        with autocast(x_TB.device, precision), ignore_compaction_warning(x_TB.device):
            logits_TBV = output(layers(embedding(x_TB))[0])
        cross_entropy(logits_TBV.float().flatten(0, 1), y_TB.flatten()).backward()  # type: ignore[no-untyped-call]

    return step


def _limit_step(
    config: BenchConfig, dtype: torch.dtype, device: torch.device
) -> Callable[[], None]:
    """Return large products that have as many operations as a training step.

    For each character, a step uses each weight in three products: the forward pass, the gradient of
    the inputs and the gradient of the weights. One-hot inputs need no product.
    """
    units, layers = config.hidden_size, config.num_layers
    rows = config.batch_size * config.seq_length
    weights = 4 * units * units * (2 * layers - 1) + units * config.vocabulary_size
    left_NH = torch.randn(rows, units).to(device, dtype)
    right_HG = torch.randn(units, 4 * units).to(device, dtype)
    result_NG = torch.empty(rows, 4 * units, dtype=dtype, device=device)
    full_products, remainder = divmod(3 * weights, 4 * units * units)
    last_rows = round(rows * remainder / (4 * units * units))

    @allow_tf32(device)
    def step() -> None:
        for _ in range(full_products):
            torch.mm(left_NH, right_HG, out=result_NG)
        if last_rows:
            torch.mm(left_NH[:last_rows], right_HG, out=result_NG[:last_rows])

    return step
