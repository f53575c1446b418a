"""Time the recurrent layers on an NVIDIA GPU: cuDNN beside the persistent kernel.

    python benchmarks/persistent.py [--hidden 512] [--layers 3] [--streams 128] [--steps 128]

Forward and backward, without the output layer and the optimizer; the contenders take turns. Prints
the median, lowest and highest time of a step of time, and the ratio of each to the first. The limit
is what the products take at the rate of one large product, measured beside them.

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
    """What all contenders compute."""

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
    """What everyone writes: an embedding and `nn.LSTM`."""

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
    """Return what is timed: forward and backward once, by name."""
    x_TB = torch.randint(CHARACTERS, (sizes.steps, sizes.streams), device=device)
    stock = Stock(sizes).to(device)
    layers = [
        LayerWeights(*(nn.Parameter(each.detach().clone()) for each in weights))
        for weights in stock.layers.all_weights
    ]
    first = torch.randn(4 * sizes.hidden, CHARACTERS, device=device) / CHARACTERS**0.5
    layers[0] = layers[0]._replace(weight_ih_GI=nn.Parameter(first))
    state_LBH = torch.zeros(sizes.layers, sizes.streams, sizes.hidden, device=device)

    def one_by_one() -> Tensor:
        inputs = x_TB
        for layer, weights in enumerate(layers):
            state = state_LBH[layer], state_LBH[layer]
            inputs, _ = native.run_layer("lstm", inputs, state, weights)
        return inputs

    def kernel() -> Tensor:
        return persistent.run_layers(x_TB, (state_LBH, state_LBH), layers, None)[0]

    found = {
        "nn.LSTM float32": step(lambda: stock(x_TB), lambda: tensor_float_32(False)),
        "nn.LSTM TF32": step(lambda: stock(x_TB), lambda: tensor_float_32(True)),
    }
    for name, dtype in PRECISIONS.items():
        if device.type == "cpu" and dtype == torch.float16:  # no LSTM of torch computes in it there
            continue

        def context(dtype: torch.dtype = dtype) -> torch.autocast:
            return torch.autocast(device.type, dtype)

        rounded = Stock(sizes).to(device, dtype)  # under autocast, it computes in float16
        found[f"nn.LSTM {name}"] = step(partial(rounded, x_TB), contextlib.nullcontext)
        is_tf32 = dtype == torch.bfloat16 and not native.computes_in_bfloat16(device)
        found[f"cuDNN layer by layer {'TF32' if is_tf32 else name}"] = step(one_by_one, context)
        refusal = why_not(sizes, dtype, device)
        if refusal is None:
            found[f"persistent kernel {name}"] = step(kernel, context)
        else:
            print(f"persistent kernel {name}: not measured, because {refusal}")
    return found


@contextlib.contextmanager
def tensor_float_32(allowed: bool) -> Any:
    """Let cuDNN round float32 numbers to 19 bits, or not."""
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=allowed):
        yield


def why_not(sizes: Sizes, dtype: torch.dtype, device: torch.device) -> str | None:
    """Return why the kernel is not used for a size; None if it is."""
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


def milliseconds(run: Callable[[], None], device: torch.device) -> float:
    """Return how long the device takes."""
    if device.type != "cuda":
        begun = time.perf_counter()
        run()
        return 1000 * (time.perf_counter() - begun)
    start, end = (
        torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        for _ in range(2)
    )
    start.record()
    run()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end))


def product(device: torch.device, rows: int) -> Callable[[], None]:
    """Return one large product in bfloat16."""
    a, b = (torch.randn(rows, rows, device=device, dtype=torch.bfloat16) for _ in range(2))

    def run() -> None:
        torch.mm(a, b)

    return run


def main() -> None:
    """Time all in turn, print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name, default in (("hidden", 512), ("layers", 3), ("streams", 128), ("steps", 128)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--square", type=int, default=SQUARE, help="rows of the large product")
    parser.add_argument(
        "--device", choices=("cuda", "cpu"), default="cuda", help="cpu: a rehearsal"
    )
    asked = parser.parse_args()
    if asked.device == "cuda" and not torch.cuda.is_available():
        sys.exit("this benchmark needs an NVIDIA GPU, and torch finds none here")
    sizes = Sizes(asked.layers, asked.hidden, asked.streams, asked.steps)
    device = torch.device(asked.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    print(f"{name}, torch {torch.__version__}, {sizes}")
    timed = {**contenders(sizes, device), "large product": product(device, asked.square)}
    times: dict[str, list[float]] = {name: [] for name in timed}
    for turn in range(WARM_UPS + asked.rounds):
        for name, run in timed.items():
            spent = milliseconds(run, device)
            if turn >= WARM_UPS:
                times[name].append(spent)
    rate = 2 * asked.square**3 / statistics.median(times.pop("large product"))
    first = statistics.median(next(iter(times.values())))
    print(f"{'':30} {'us a step of time':>24} {'char/s':>12} ratio")
    for name, each in times.items():
        show(name, sizes, sorted(each), first)
    show("limit of the products", sizes, [sizes.operations / rate], first)


def show(name: str, sizes: Sizes, spent: list[float], first: float) -> None:
    """Print a line of the table; `spent` is in milliseconds, sorted."""
    median = statistics.median(spent)
    low, middle, high = (1000 * each / sizes.steps for each in (spent[0], median, spent[-1]))
    characters = sizes.streams * sizes.steps / median * 1000
    result = f"layers-{sizes.streams}x{sizes.steps}-{name.replace(' ', '-')}"
    print(f"RESULT {result} {middle:.6g} us a step of time")
    print(
        f"{name:30} {middle:8.2f} ({low:.2f}-{high:.2f}) {characters:12,.0f} {first / median:5.2f}"
    )


if __name__ == "__main__":
    main()
