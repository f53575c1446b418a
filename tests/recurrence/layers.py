"""Layers with which engines are compared."""

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
    """Return inputs, state and weights in float64; all of them require gradients."""
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


def as_float32(case: Layer) -> Layer:
    """Return a copy of the layer in float32."""
    return _convert(case, torch.float32)


def as_float64(case: Layer) -> Layer:
    """Return a copy of the layer in float64."""
    return _convert(case, torch.float64)


def _convert(case: Layer, dtype: torch.dtype) -> Layer:
    def leaf(tensor: Tensor) -> Tensor:
        if not tensor.is_floating_point():
            return tensor
        return tensor.detach().to(dtype).requires_grad_()

    inputs, state, weights = case
    return leaf(inputs), tuple(map(leaf, state)), LayerWeights(*map(leaf, weights))


def leaf_tensors(case: Layer) -> list[Tensor]:
    inputs, state, weights = case
    return [*([inputs] if inputs.is_floating_point() else []), *state, *weights]


def run_with_gradients(
    engine: Any, case: Layer, loss_weights: tuple[float, float, float]
) -> list[Tensor]:
    """Return outputs, last state and all gradients of a weighted sum of them."""
    inputs, state, weights = case
    outputs, last = engine(inputs, state, weights)
    results = [outputs, *last]
    loss = sum(
        weight * (result.double() * torch.arange(result.numel()).view(result.shape).sin()).sum()
        for weight, result in zip(loss_weights, results, strict=True)
        if weight
    )
    return [
        *(result.detach() for result in results),
        *torch.autograd.grad(loss, leaf_tensors(case)),
    ]


def run_reference(
    inputs: Tensor, state: LayerState, weights: LayerWeights
) -> tuple[Tensor, LayerState]:
    return reference.run_layer("lstm", inputs, state, weights)


def run_bfloat16(inputs: Tensor, state: LayerState, weights: LayerWeights) -> Any:
    with torch.autocast("cpu", torch.bfloat16):
        return lstm.run_layer(inputs, state, weights)


def run_reference_bfloat16(inputs: Tensor, state: LayerState, weights: LayerWeights) -> Any:
    with torch.autocast("cpu", torch.bfloat16):
        return run_reference(inputs, state, weights)


def relative_errors(results: list[Tensor], exact: list[Tensor]) -> list[float]:
    """Return the norms of the differences, relative to the norms of the exact values."""
    return [
        (actual.double() - expected).norm().item() / max(1.0, expected.norm().item())
        for actual, expected in zip(results, exact, strict=True)
    ]


def assert_close_norm(results: list[Tensor], exact: list[Tensor], tolerance: float) -> None:
    """Check the norms of the differences, relative to the norms of the exact values."""
    assert max(relative_errors(results, exact)) < tolerance


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


def flatten(outputs: Tensor, state: LayerState) -> Tensor:
    return torch.cat([outputs.flatten(), *(part.flatten() for part in state)])
