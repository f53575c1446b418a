"""The CUDA kernels on a CPU, and networks that are small enough for it."""

import ctypes
import functools
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from charrnn.numerics.nvrtc import Kernels
from charrnn.recurrence import reference
from charrnn.recurrence.cuda import launch
from charrnn.recurrence.cuda.wavefront import Launch, Plan, addresses
from charrnn.recurrence.layer import LayerState, LayerWeights

Fields = Sequence[Tensor | int | None]

EMULATION = Path(__file__).with_name("emulation")
KERNELS = Path(launch.__file__).with_name("kernels")
TOLERANCE = {torch.bfloat16: 1e-2, torch.float16: 2e-3}  # of the norm


class Emulator:
    """Builds the kernels for a CPU, and launches them as on a GPU."""

    def __init__(self, folder: Path, compiler: str) -> None:
        self._folder, self._compiler = folder, compiler
        self.library = functools.cache(self._build)

    def launch(self, *options: str, absent: int = 0) -> Launch:
        def launch_kernel(kernel: str, plan: Plan, fields: Fields) -> None:
            library = self.library(tuple(plan.definitions().items()), options)
            ctypes.CDLL(library).omit_blocks(absent)
            kernels = Kernels(b"code", ("forward", "backward"), plan.shared_bytes, library)
            kernels.launch(kernel, plan.blocks, plan.threads, 0, addresses(fields))

        return launch_kernel

    def _build(self, definitions: tuple[tuple[str, int], ...], options: tuple[str, ...]) -> str:
        library = self._folder / f"{len(list(self._folder.iterdir()))}.so"
        command = [self._compiler, "-std=c++20", "-O1", "-pthread", "-shared", "-fPIC", "-w"]
        command += [*(f"-D{name}={value}" for name, value in definitions), *options]
        command += ["-I", str(KERNELS), str(EMULATION / "driver.cpp"), "-o", str(library)]
        subprocess.run(command, check=True)
        return str(library)


class Network(NamedTuple):
    x_TB: Tensor
    parts_LBH: LayerState
    layers: list[LayerWeights]
    between_MBH: Tensor | None

    @property
    def leaves(self) -> list[Tensor]:
        return [*self.parts_LBH, *(weight for layer in self.layers for weight in layer)]


def network(
    layers: int, hidden: int, streams: int, steps: int, *, dropout: bool = False, width: int = 7
) -> Network:
    draws = torch.Generator().manual_seed(layers * 1000 + hidden * 100 + streams * 10 + steps)

    def random(*shape: int, scale: float = 1.0) -> Tensor:
        return (torch.randn(shape, generator=draws) * scale).requires_grad_()

    rows = 4 * hidden
    keep = torch.rand(layers - 1, streams, hidden, generator=draws) < 0.7
    return Network(
        torch.randint(width, (steps, streams), generator=draws),
        (random(layers, streams, hidden), random(layers, streams, hidden)),
        [
            LayerWeights(
                random(rows, hidden if layer else width, scale=hidden**-0.5 if layer else 1.0),
                random(rows, hidden, scale=hidden**-0.5),
                random(rows),
                random(rows),
            )
            for layer in range(layers)
        ],
        keep / 0.7 if dropout else None,
    )


def run_reference(case: Network) -> tuple[Tensor, LayerState]:
    """Run the reference engine, layer by layer."""
    inputs, states = case.x_TB, []
    for number, weights in enumerate(case.layers):
        if number and case.between_MBH is not None:
            inputs = inputs * case.between_MBH[number - 1]
        state = case.parts_LBH[0][number], case.parts_LBH[1][number]
        inputs, last = reference.run_layer("lstm", inputs, state, weights)
        states.append(last)
    return inputs, tuple(torch.stack(part) for part in zip(*states, strict=True))


def add_gradients(results: tuple[Tensor, LayerState], case: Network) -> list[Tensor]:
    """Return outputs, last state, and all gradients of a weighted sum of them."""
    outputs_TBH, last_LBH = results
    tensors = [outputs_TBH, *last_LBH]
    loss = torch.stack(
        [(tensor.float() * torch.arange(tensor.numel()).view(tensor.shape).sin()).sum()
         for tensor in tensors]
    ).sum()  # fmt: skip
    return [
        *(tensor.detach().float() for tensor in tensors),
        *torch.autograd.grad(loss, case.leaves),
    ]


def relative_differences(results: list[Tensor], expected: list[Tensor]) -> list[float]:
    """Return the norms of the differences, divided by the norms of the expected tensors."""
    return [
        ((result - other).norm() / other.norm()).item()
        for result, other in zip(results, expected, strict=True)
    ]
