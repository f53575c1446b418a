"""The kernels for NVIDIA GPUs run on a processor, and networks small enough for that."""

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
    """Builds the kernels for a processor, and launches them as on a GPU."""

    def __init__(self, folder: Path, compiler: str) -> None:
        self._folder, self._compiler = folder, compiler
        self.library = functools.cache(self._build)

    def launch(self, *options: str, absent: int = 0) -> Launch:
        def launched(kernel: str, plan: Plan, fields: Fields) -> None:
            library = self.library(tuple(plan.definitions().items()), options)
            ctypes.CDLL(library).leave_out(absent)
            kernels = Kernels(b"code", ("forward", "backward"), plan.shared_bytes, library)
            kernels.launch(kernel, plan.blocks, plan.threads, 0, addresses(fields))

        return launched

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
        return [*self.parts_LBH, *(each for layer in self.layers for each in layer)]


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


def plainly(made: Network) -> tuple[Tensor, LayerState]:
    """Run the specification, layer by layer."""
    inputs, states = made.x_TB, []
    for number, weights in enumerate(made.layers):
        if number and made.between_MBH is not None:
            inputs = inputs * made.between_MBH[number - 1]
        state = made.parts_LBH[0][number], made.parts_LBH[1][number]
        inputs, last = reference.run_layer("lstm", inputs, state, weights)
        states.append(last)
    return inputs, tuple(torch.stack(part) for part in zip(*states, strict=True))


def outcome(results: tuple[Tensor, LayerState], made: Network) -> list[Tensor]:
    """Return outputs, last state and the gradients of a sum of them all, each with its weight."""
    outputs_TBH, last_LBH = results
    everything = [outputs_TBH, *last_LBH]
    loss = torch.stack(
        [(each.float() * torch.arange(each.numel()).view(each.shape).sin()).sum()
         for each in everything]
    ).sum()  # fmt: skip
    return [
        *(each.detach().float() for each in everything),
        *torch.autograd.grad(loss, made.leaves),
    ]


def distances(found: list[Tensor], expected: list[Tensor]) -> list[float]:
    return [
        ((mine - theirs).norm() / theirs.norm()).item()
        for mine, theirs in zip(found, expected, strict=True)
    ]
