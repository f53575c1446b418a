"""The contenders of a benchmark: training steps of charrnn and of stock PyTorch, and their limit.

Shape suffixes: T steps, B streams, V characters of the vocabulary, H units, L layers, N = T * B.
"""

import contextlib
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from charrnn.config.benchmark import BenchConfig
from charrnn.config.model import ModelConfig
from charrnn.data.vocabulary import Vocabulary
from charrnn.errors import DeviceError
from charrnn.model.network import CharRNN
from charrnn.numerics.cuda_graph import graph_or_eager
from charrnn.numerics.devices import ignore_compaction_warning
from charrnn.numerics.precision import allow_tf32, autocast, choose_precision, has_bfloat16
from charrnn.training.step.gradients import compute_gradients

_FIRST_CHARACTER = 0x10000  # after the surrogates, so that a vocabulary has any size


def make_contenders(config: BenchConfig, device: torch.device) -> dict[str, Callable[[], None]]:
    """Return a function for each contender that computes one step, by name.

    The 16-bit precisions are included if the device has instructions for them.
    """
    torch.manual_seed(0)
    sizes = 2, config.seq_length, config.batch_size
    x_TB, y_TB = torch.randint(config.vocabulary_size, sizes).to(device)
    contenders = {}
    for precision in measured_precisions(device):
        charrnn_step = _charrnn_step(config, precision, x_TB, y_TB)
        if device.type == "cuda":
            charrnn_step = graph_or_eager(charrnn_step, f"a training step in {precision}")
        contenders[f"charrnn {precision}"] = charrnn_step
        contenders[f"stock {precision}"] = _stock_step(config, precision, x_TB, y_TB)
        if device.type == "cuda" and precision == "float32":
            contenders["stock TF32"] = allow_tf32(device)(contenders["stock float32"])
        contenders[f"limit {precision}"] = _limit_step(config, getattr(torch, precision), device)
    return contenders


def measured_precisions(device: torch.device) -> list[str]:
    """Return the precisions for which the device has instructions."""
    supported = ["float32"]
    for precision in ("bfloat16", "float16"):
        if device.type == "cpu" and not (precision == "bfloat16" and has_bfloat16()):
            continue
        with contextlib.suppress(DeviceError):
            supported.append(choose_precision(precision, device, "lstm"))
    return supported


def _charrnn_step(
    config: BenchConfig, precision: str, x_TB: Tensor, y_TB: Tensor
) -> Callable[[], None]:
    shape = ModelConfig(num_layers=config.num_layers, hidden_size=config.hidden_size)
    characters = map(chr, range(_FIRST_CHARACTER, _FIRST_CHARACTER + config.vocabulary_size))
    model = CharRNN(shape, Vocabulary(tuple(characters))).initialize(seed=0).to(x_TB.device)
    state = model.initial_state(config.batch_size)

    window_TB = torch.cat((x_TB, y_TB[-1:]))

    def step() -> None:
        model.zero_grad()
        with allow_tf32(x_TB.device):
            compute_gradients(model, window_TB, state, precision=precision)

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
