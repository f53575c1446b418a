"""Layers to compare engines with."""

from typing import Any, get_args

import torch
from torch import Tensor

from charrnn.config.model import Cell, ModelConfig
from charrnn.recurrence import reference
from charrnn.recurrence.cpu import lstm
from charrnn.recurrence.layer import LayerState, LayerWeights

Layer = tuple[Tensor, LayerState, LayerWeights]


def layer(
    length: int = 5, batch: int = 3, units: int = 6, width: int = 7, *, codes: bool = False
) -> Layer:
    """Return inputs, state and weights in float64, all of them to be differentiated."""
    draws = torch.Generator().manual_seed(length * 1000 + batch * 100 + units * 10 + width)

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, generator=draws, dtype=torch.float64).requires_grad_()

    x_TB = torch.randint(0, width, (length, batch), generator=draws)
    weights = LayerWeights(
        random(4 * units, width),
        (random(4 * units, units) / units**0.5).detach().requires_grad_(),  # not chaotic
        random(4 * units),
        random(4 * units),
    )
    inputs = x_TB if codes else random(length, batch, width)
    return inputs, (random(batch, units), random(batch, units)), weights


def single(made: Layer) -> Layer:
    """Return the same layer in float32, with leaves of its own."""

    def leaf(tensor: Tensor) -> Tensor:
        if not tensor.is_floating_point():
            return tensor
        return tensor.detach().float().requires_grad_()

    inputs, state, weights = made
    return leaf(inputs), tuple(map(leaf, state)), LayerWeights(*map(leaf, weights))


def leaves(made: Layer) -> list[Tensor]:
    inputs, state, weights = made
    return [*([inputs] if inputs.is_floating_point() else []), *state, *weights]


def outcome(engine: Any, made: Layer, shares: tuple[float, float, float]) -> list[Tensor]:
    """Return outputs, last state and all gradients of a sum that weighs the three by `shares`."""
    inputs, state, weights = made
    outputs, last = engine(inputs, state, weights)
    results = [outputs, *last]
    loss = sum(
        share * (each.double() * torch.arange(each.numel()).view(each.shape).sin()).sum()
        for share, each in zip(shares, results, strict=True)
        if share
    )
    return [*(each.detach() for each in results), *torch.autograd.grad(loss, leaves(made))]


def plain(inputs: Tensor, state: LayerState, weights: LayerWeights) -> tuple[Tensor, LayerState]:
    return reference.run_layer("lstm", inputs, state, weights)


def in_bfloat16(inputs: Tensor, state: LayerState, weights: LayerWeights) -> Any:
    with torch.autocast("cpu", torch.bfloat16):
        return lstm.run_layer(inputs, state, weights)


def in_torchs_bfloat16(inputs: Tensor, state: LayerState, weights: LayerWeights) -> Any:
    with torch.autocast("cpu", torch.bfloat16):
        return plain(inputs, state, weights)


def distances(ours: list[Tensor], exact: list[Tensor]) -> list[float]:
    """The norms of the differences, as shares of the norms of all there is."""
    return [
        (mine.double() - theirs).norm().item() / max(1.0, theirs.norm().item())
        for mine, theirs in zip(ours, exact, strict=True)
    ]


def assert_near(ours: list[Tensor], exact: list[Tensor], tolerance: float) -> None:
    """Compare the norm of the difference with the norm of all there is."""
    assert max(distances(ours, exact)) < tolerance


CELLS = get_args(Cell)


def random_weights(cell: Cell, inputs: int, hidden: int, dtype: torch.dtype) -> LayerWeights:
    draws = torch.Generator().manual_seed(3)
    rows = ModelConfig(cell=cell).num_gates * hidden
    shapes = ((rows, inputs), (rows, hidden), (rows,), (rows,))
    return LayerWeights(
        *(torch.randn(shape, generator=draws, dtype=dtype).requires_grad_() for shape in shapes)
    )


def random_state(cell: Cell, batch: int, hidden: int, dtype: torch.dtype) -> LayerState:
    draws = torch.Generator().manual_seed(4)
    parts = 2 if cell == "lstm" else 1
    return tuple(torch.randn(batch, hidden, generator=draws, dtype=dtype) for _ in range(parts))


def flat(outputs: Tensor, state: LayerState) -> Tensor:
    return torch.cat([outputs.flatten(), *(part.flatten() for part in state)])
