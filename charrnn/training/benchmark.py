"""Training on this machine, beside stock PyTorch and the limit of its device; what 8 bits cost.

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

_SCORED = 10_000  # characters the weights of the engine are judged by
_FIRST_CHARACTER = 0x10000  # beyond the surrogates, with room for any vocabulary


@dataclass(frozen=True)
class Measured:
    """Characters a second of one contender, over all rounds."""

    name: str
    median: float
    minimum: float
    maximum: float
    times_stock: float  # the median over rounds of its speed divided by stock float32's


@dataclass(frozen=True)
class Quantization:
    """What the 8-bit weights that one text is written with cost, in bits per character."""

    run: str
    text: str
    characters: int
    float32_bits: float
    quantized_bits: float
    change: float


@dataclass(frozen=True)
class Benchmark:
    """What was measured, and on what."""

    processor: str
    """The name of what computed: of the processor, or of the GPU."""
    device: str
    torch: str
    bfloat16_instructions: bool
    threads: int
    config: BenchConfig
    rounds: int
    measured: tuple[Measured, ...]
    quantization: Quantization
    engines: dict[str, str]
    """On an NVIDIA GPU: the engine of charrnn's row in each precision, and why."""


def benchmark(config: BenchConfig) -> Benchmark:
    """Measure forward and backward of training steps, the contenders taking turns.

    The limits are what the products of a step alone would take at the speed of one large product.
    16 bits are measured where there are instructions for them; a GPU's float32 is TF32 in training,
    and exact in stock float32.
    """
    threads, device = set_threads(config.threads), choose_device(config.device)
    engines = _engines(config, device)  # checked before a graph is captured
    contenders = _contenders(config, device)
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for run in contenders.values():
        run()  # compiles, allocates, warms up
    started = time.perf_counter()
    while not seconds["limit float32"] or time.perf_counter() - started < config.max_time:
        for name, run in contenders.items():
            _wait(device)
            begun = time.perf_counter()
            run()
            _wait(device)
            seconds[name].append(time.perf_counter() - begun)
    characters = config.batch_size * config.seq_length
    return Benchmark(
        processor=_name(device),
        device=device.type,
        torch=torch.__version__,
        bfloat16_instructions=has_bfloat16(),
        threads=threads,
        config=config,
        rounds=len(seconds["limit float32"]),
        measured=tuple(
            Measured(
                name=name,
                median=characters / statistics.median(times),
                minimum=characters / max(times),
                maximum=characters / min(times),
                times_stock=statistics.median(
                    stock / own for stock, own in zip(seconds["stock float32"], times, strict=True)
                ),
            )
            for name, times in seconds.items()
        ),
        quantization=quantization_cost(),
        engines=engines,
    )


def quantization_cost(run: str = BUNDLED) -> Quantization:
    """Compare the engine's weights with the network's, on a text that neither has read.

    The text is the beginning of the bundled play, without characters the model does not know.
    """
    checkpoint = find_run(run).select()
    model = load_checkpoint(checkpoint, "cpu")
    text = catalogue.bundled_path().read_text("utf-8")[:_SCORED]
    codes = model.vocabulary.encode(text, "skip")
    float32, quantized = (
        nats_to_bits(float(nats_N.mean(dtype=np.float64)))
        for nats_N in (
            character_nats(model, codes),
            engine_nats(engine_for_checkpoint(checkpoint, device="cpu"), codes),
        )
    )
    return Quantization(
        run, catalogue.bundled(), len(codes), float32, quantized, quantized - float32
    )


def _contenders(config: BenchConfig, device: torch.device) -> dict[str, Callable[[], None]]:
    torch.manual_seed(0)
    sizes = 2, config.seq_length, config.batch_size
    x_TB, y_TB = torch.randint(config.vocabulary_size, sizes).to(device)
    contenders = {}
    for precision in _precisions(device):
        ours = _ours(config, precision, x_TB, y_TB)
        if device.type == "cuda":
            ours = graph_or_eager(ours, f"a training step in {precision}")
        contenders[f"charrnn {precision}"] = ours
        contenders[f"stock {precision}"] = _stock(config, precision, x_TB, y_TB)
        if device.type == "cuda" and precision == "float32":
            contenders["stock TF32"] = allow_tf32(device)(contenders["stock float32"])
        contenders[f"limit {precision}"] = _limit(config, getattr(torch, precision), device)
    return contenders


def _precisions(device: torch.device) -> list[str]:
    """Return what a device computes with instructions of its own."""
    served = ["float32"]
    for precision in ("bfloat16", "float16"):
        if device.type == "cpu" and not (precision == "bfloat16" and has_bfloat16()):
            continue
        with contextlib.suppress(DeviceError):
            served.append(choose_precision(precision, device, "lstm"))
    return served


def _engines(config: BenchConfig, device: torch.device) -> dict[str, str]:
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


def _wait(device: torch.device) -> None:
    """Wait until a GPU has done what was started; a processor has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_name()


def _ours(config: BenchConfig, precision: str, x_TB: Tensor, y_TB: Tensor) -> Callable[[], None]:
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


def _stock(config: BenchConfig, precision: str, x_TB: Tensor, y_TB: Tensor) -> Callable[[], None]:
    """Return a step of what everyone writes: Embedding, LSTM, Linear.

    On a GPU, bfloat16 weights make it bfloat16: under autocast, the LSTM computes in float16.
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


def _limit(config: BenchConfig, dtype: torch.dtype, device: torch.device) -> Callable[[], None]:
    """Return large products of as many operations as a step has.

    A step multiplies each of its weights with each character three times: forward, for the gradient
    of the inputs and for that of the weights. One-hot inputs need no product.
    """
    units, layers = config.hidden_size, config.num_layers
    rows = config.batch_size * config.seq_length
    weights = 4 * units * units * (2 * layers - 1) + units * config.vocabulary_size
    left_NH = torch.randn(rows, units).to(device, dtype)
    right_HG = torch.randn(units, 4 * units).to(device, dtype)
    result_NG = torch.empty(rows, 4 * units, dtype=dtype, device=device)
    whole, rest = divmod(3 * weights, 4 * units * units)
    part = round(rows * rest / (4 * units * units))

    @allow_tf32(device)
    def step() -> None:
        for _ in range(whole):
            torch.mm(left_NH, right_HG, out=result_NG)
        if part:
            torch.mm(left_NH[:part], right_HG, out=result_NG[:part])

    return step
