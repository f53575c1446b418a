"""Time the recurrent layers on an NVIDIA GPU: cuDNN compared with the persistent kernel.

    python benchmarks/persistent.py [--hidden 512] [--layers 3] [--streams 128] [--steps 128]

Times the forward and backward pass in turns for all contenders, without the output layer and the
optimizer. Prints the median, lowest and highest time of a time step, and the ratio to the first
contender. The limit is the time of all matrix products at the rate of one large product, which is
measured in the same rounds.

Shape suffixes: T steps, B streams, V characters, H units, L layers.
"""

import argparse
import contextlib
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from charrnn.numerics.devices import ignore_compaction_warning
from charrnn.recurrence import native
from charrnn.recurrence.cuda import persistent
from charrnn.recurrence.layer import LayerWeights

CHARACTERS = 65
WARM_UPS = 5
SQUARE = 8192  # rows and columns of the large product
PRECISIONS = {"bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Sizes:
    """The sizes of the network and the batch."""

    layers: int
    hidden: int
    streams: int
    steps: int

    @property
    def operations(self) -> int:
        """Additions and multiplications of the products, forward and backward.

        A one-hot input needs no product with the first layer's input weights.
        """
        matrices = 2 * self.layers - 1
        return 6 * matrices * 4 * self.hidden**2 * self.streams * self.steps


class Stock(nn.Module):
    """The usual PyTorch model: an embedding and `nn.LSTM`."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.embedding = nn.Embedding(CHARACTERS, sizes.hidden)
        self.layers = nn.LSTM(sizes.hidden, sizes.hidden, sizes.layers)

    def forward(self, x_TB: Tensor) -> Tensor:
        """Return the outputs (T, B, H)."""
        with ignore_compaction_warning(x_TB.device):
            outputs_TBH: Tensor = self.layers(self.embedding(x_TB))[0]
        return outputs_TBH


def step(run: Callable[[], Tensor], context: Callable[[], Any]) -> Callable[[], None]:
    """Return a forward pass in a context, and a backward pass."""

    def timed() -> None:
        with context():
            outputs_TBH = run()
        torch.autograd.backward(outputs_TBH, torch.ones_like(outputs_TBH))

    return timed


def contenders(sizes: Sizes, device: torch.device) -> dict[str, Callable[[], None]]:
    """Return the forward and backward pass of each contender, by name."""
    x_TB = torch.randint(CHARACTERS, (sizes.steps, sizes.streams), device=device)
    stock = Stock(sizes).to(device)
    layers = [
        LayerWeights(*(nn.Parameter(weight.detach().clone()) for weight in weights))
        for weights in stock.layers.all_weights
    ]
    input_weight = torch.randn(4 * sizes.hidden, CHARACTERS, device=device) / CHARACTERS**0.5
    layers[0] = layers[0]._replace(weight_ih_GI=nn.Parameter(input_weight))
    state_LBH = torch.zeros(sizes.layers, sizes.streams, sizes.hidden, device=device)

    def layer_by_layer() -> Tensor:
        inputs = x_TB
        for layer, weights in enumerate(layers):
            state = state_LBH[layer], state_LBH[layer]
            inputs, _ = native.run_layer("lstm", inputs, state, weights)
        return inputs

    def persistent_kernel() -> Tensor:
        return persistent.run_layers(x_TB, (state_LBH, state_LBH), layers, None)[0]

    passes = {
        "nn.LSTM float32": step(lambda: stock(x_TB), lambda: tensor_float_32(False)),
        "nn.LSTM TF32": step(lambda: stock(x_TB), lambda: tensor_float_32(True)),
    }
    for name, dtype in PRECISIONS.items():
        if device.type == "cpu" and dtype == torch.float16:  # torch has no such LSTM
            continue

        def context(dtype: torch.dtype = dtype) -> torch.autocast:
            return torch.autocast(device.type, dtype)

        rounded = Stock(sizes).to(device, dtype)  # under autocast, it computes in float16
        passes[f"nn.LSTM {name}"] = step(partial(rounded, x_TB), contextlib.nullcontext)
        is_tf32 = dtype == torch.bfloat16 and not native.computes_in_bfloat16(device)
        passes[f"cuDNN layer by layer {'TF32' if is_tf32 else name}"] = step(
            layer_by_layer, context
        )
        refusal = refusal_reason(sizes, dtype, device)
        if refusal is None:
            passes[f"persistent kernel {name}"] = step(persistent_kernel, context)
        else:
            print(f"persistent kernel {name}: not measured, because {refusal}")
    return passes


@contextlib.contextmanager
def tensor_float_32(allowed: bool) -> Any:
    """Allow cuDNN to use TF32 (19 bits) for float32, or forbid it."""
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=allowed):
        yield


def refusal_reason(sizes: Sizes, dtype: torch.dtype, device: torch.device) -> str | None:
    """Return why the kernel cannot be used for these sizes; None if it can."""
    if device.type != "cuda":
        return "it runs on NVIDIA GPUs only"
    return persistent.refusal_reason(
        persistent.Workload(
            cell="lstm",
            layers=sizes.layers,
            hidden=sizes.hidden,
            characters=CHARACTERS,
            steps=sizes.steps,
            streams=sizes.streams,
            dtype=dtype,
            device=device,
        )
    )


def measure_milliseconds(run: Callable[[], None], device: torch.device) -> float:
    """Return the time that the device needs, in milliseconds."""
    if device.type != "cuda":
        begin = time.perf_counter()
        run()
        return 1000 * (time.perf_counter() - begin)
    start, end = (
        torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        for _ in range(2)
    )
    start.record()
    run()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end))


def large_product(device: torch.device, rows: int) -> Callable[[], None]:
    """Return a function that computes one large product in bfloat16."""
    a, b = (torch.randn(rows, rows, device=device, dtype=torch.bfloat16) for _ in range(2))

    def run() -> None:
        torch.mm(a, b)

    return run


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name, default in (("hidden", 512), ("layers", 3), ("streams", 128), ("steps", 128)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--square", type=int, default=SQUARE, help="rows of the large product")
    parser.add_argument(
        "--device", choices=("cuda", "cpu"), default="cuda", help="cpu: only to test this program"
    )
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        sys.exit("this benchmark needs an NVIDIA GPU, and torch finds none on this machine")
    sizes = Sizes(arguments.layers, arguments.hidden, arguments.streams, arguments.steps)
    device = torch.device(arguments.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    print(f"{name}, torch {torch.__version__}, {sizes}")
    timed = {**contenders(sizes, device), "large product": large_product(device, arguments.square)}
    times: dict[str, list[float]] = {name: [] for name in timed}
    for round_ in range(WARM_UPS + arguments.rounds):
        for name, run in timed.items():
            duration = measure_milliseconds(run, device)
            if round_ >= WARM_UPS:
                times[name].append(duration)
    rate = 2 * arguments.square**3 / statistics.median(times.pop("large product"))
    first = statistics.median(next(iter(times.values())))
    print(f"{'':30} {'us per time step':>24} {'char/s':>12} ratio")
    for name, durations in times.items():
        print_row(name, sizes, sorted(durations), first)
    print_row("limit of the products", sizes, [sizes.operations / rate], first)


def print_row(name: str, sizes: Sizes, durations: list[float], first: float) -> None:
    """Print a row of the table; `durations` are in milliseconds, sorted."""
    median = statistics.median(durations)
    low, middle, high = (
        1000 * duration / sizes.steps for duration in (durations[0], median, durations[-1])
    )
    characters = sizes.streams * sizes.steps / median * 1000
    result = f"layers-{sizes.streams}x{sizes.steps}-{name.replace(' ', '-')}"
    print(f"RESULT {result} {middle:.6g} us per time step")
    print(
        f"{name:30} {middle:8.2f} ({low:.2f}-{high:.2f}) {characters:12,.0f} {first / median:5.2f}"
    )


if __name__ == "__main__":
    main()
