from typing import Any

import pytest
import torch
from torch import Tensor

from charrnn.recurrence.cuda import wavefront
from charrnn.recurrence.cuda.wavefront import Plan
from charrnn.recurrence.layer import LayerState, LayerWeights
from tests.recurrence.cuda.emulator import (
    TOLERANCE,
    Emulator,
    Fields,
    Network,
    add_gradients,
    network,
    relative_differences,
    run_reference,
)


@pytest.mark.parametrize(
    ("sizes", "dtype", "dropout"),
    [
        ((3, 32, 16, 5), torch.bfloat16, True),
        ((3, 32, 16, 1), torch.bfloat16, False),  # fewer steps than layers
        ((2, 64, 40, 3), torch.float16, False),  # 16 units per block; an incomplete tile
        ((1, 288, 5, 3), torch.bfloat16, False),  # nine stretches; less than a tile
        ((2, 64, 70, 2), torch.bfloat16, True),  # two tiles per warp
    ],
)
def test_results_and_gradients_equal_the_reference(
    emulator: Emulator, sizes: tuple[int, int, int, int], dtype: torch.dtype, dropout: bool
) -> None:
    case = network(*sizes, dropout=dropout)
    outputs_TBH, last_LBH = wavefront.run_layers(emulator.launch(), dtype, *case)
    assert outputs_TBH.dtype == dtype
    assert {part.dtype for part in last_LBH} == {torch.float32}
    results = add_gradients((outputs_TBH, last_LBH), case)
    expected = add_gradients(run_reference(case), case)
    assert max(relative_differences(results, expected)) < TOLERANCE[dtype]


def test_a_block_computes_more_streams_than_fit_into_one_chunk(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wavefront, "_MAX_GROUPS", 1)
    case = network(2, 32, 40, 3, dropout=True)  # three chunks of one warp
    results = add_gradients(wavefront.run_layers(emulator.launch(), torch.bfloat16, *case), case)
    expected = add_gradients(run_reference(case), case)
    assert max(relative_differences(results, expected)) < TOLERANCE[torch.bfloat16]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_products_are_exact_if_nothing_is_rounded(emulator: Emulator, dtype: torch.dtype) -> None:
    """Without rounding, a value of the wrong lane is a visible error."""
    draws = torch.Generator().manual_seed(0)

    def eighths(*shape: int) -> Tensor:
        return torch.randint(-8, 9, shape, generator=draws) / 8

    layer = LayerWeights(eighths(256, 5), eighths(256, 64), eighths(256), eighths(256))
    parts_LBH = eighths(1, 40, 64), eighths(1, 40, 64)
    case = Network(torch.randint(5, (1, 40), generator=draws), parts_LBH, [layer], None)
    _, (_, cell_LBH) = wavefront.run_layers(emulator.launch(), dtype, *case)
    torch.testing.assert_close(cell_LBH, run_reference(case)[1][1], rtol=0, atol=2e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_only_rounding_to_16_bits_changes_the_results(
    emulator: Emulator, dtype: torch.dtype
) -> None:
    """Compare with float64 that rounds where the kernels do; a tie can be rounded differently.

    The gradients of the weights and of the hidden state come from 16-bit products of torch.
    """
    case = network(3, 32, 16, 4, dropout=True)
    results = add_gradients(wavefront.run_layers(emulator.launch(), dtype, *case), case)
    exact = Network(
        case.x_TB,
        tuple(part.detach().double().requires_grad_() for part in case.parts_LBH),
        [
            LayerWeights(*(weight.detach().double().requires_grad_() for weight in layer))
            for layer in case.layers
        ],
        case.between_MBH,
    )
    expected = add_gradients(run_rounded(exact, dtype), exact)
    outputs, last_hidden, last_cell, grad_hidden, grad_cell, *grad_weights = relative_differences(
        results, expected
    )
    grad_biases = [*grad_weights[2::4], *grad_weights[3::4]]
    assert max(outputs, last_hidden, last_cell, grad_cell, *grad_biases) < TOLERANCE[dtype] / 50
    assert max(grad_hidden, *grad_weights) < TOLERANCE[dtype] / 4


class _RoundedGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, dtype: torch.dtype) -> Tensor:
        ctx.dtype = dtype
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0].to(ctx.dtype).to(gradients[0].dtype), None


def run_rounded(case: Network, dtype: torch.dtype) -> tuple[Tensor, LayerState]:
    """Run the layers in float64, but round to `dtype` where the kernels do."""

    def rounded(x: Tensor) -> Tensor:  # the gradient is not rounded
        return x + (x.to(dtype).to(x.dtype) - x).detach()

    def rounded_back(x: Tensor) -> Tensor:
        result: Tensor = _RoundedGradient.apply(x, dtype)  # type: ignore[no-untyped-call]
        return result

    inputs_TBI, states = None, []
    for number, weights in enumerate(case.layers):
        hidden_BH, cell_BH = rounded(case.parts_LBH[0][number]), case.parts_LBH[1][number]
        outputs, next_inputs = [], []
        for t, x_B in enumerate(case.x_TB):
            sums_BG = hidden_BH @ rounded(weights.weight_hh_GH).t()
            sums_BG = sums_BG + weights.bias_ih_G + weights.bias_hh_G
            if inputs_TBI is None:
                sums_BG = sums_BG + weights.weight_ih_GI.t()[x_B]
            else:
                sums_BG = sums_BG + inputs_TBI[t] @ rounded(weights.weight_ih_GI).t()
            i, f, g, o = rounded_back(sums_BG).chunk(4, dim=1)
            cell_BH = f.sigmoid() * cell_BH + i.sigmoid() * g.tanh()
            exact_BH = o.sigmoid() * cell_BH.tanh()
            hidden_BH = rounded(exact_BH)
            outputs.append(hidden_BH)
            if number < len(case.layers) - 1 and case.between_MBH is not None:
                next_inputs.append(rounded(exact_BH * case.between_MBH[number]))
        inputs_TBI = torch.stack(next_inputs or outputs)
        states.append((hidden_BH, cell_BH))
    last = tuple(torch.stack(part) for part in zip(*states, strict=True))
    return rounded_back(torch.stack(outputs)), last


def test_every_run_gives_the_same_bits(emulator: Emulator) -> None:
    """Blocks and threads run in a different order each time, so a race would change the bits."""
    case = network(3, 32, 16, 6, dropout=True)
    first, *others = (
        add_gradients(wavefront.run_layers(emulator.launch(), torch.bfloat16, *case), case)
        for _ in range(5)
    )
    for other in others:
        assert all(map(torch.equal, first, other))


def test_gradients_are_optional(emulator: Emulator) -> None:
    case = network(2, 32, 16, 3)
    expected = add_gradients(run_reference(case), case)
    with torch.no_grad():
        outputs_TBH, _ = wavefront.run_layers(emulator.launch(), torch.bfloat16, *case)
    assert relative_differences([outputs_TBH.float()], expected[:1])[0] < TOLERANCE[torch.bfloat16]
    blank = case._replace(parts_LBH=tuple(torch.zeros_like(part) for part in case.parts_LBH))
    weights = blank.leaves[2:]
    gradients = []
    for outputs, _ in (
        wavefront.run_layers(emulator.launch(), torch.bfloat16, *blank),
        run_reference(blank),
    ):  # as in training: the state has no gradient and gets none
        gradients.append(torch.autograd.grad(outputs.float().square().sum(), weights))
    assert max(relative_differences(*map(list, gradients))) < TOLERANCE[torch.bfloat16]


def test_missing_blocks_make_the_results_nan(emulator: Emulator) -> None:
    case = network(2, 32, 16, 3)
    incomplete = emulator.launch("-DSPINS=300", absent=3)
    outputs_TBH, _ = wavefront.run_layers(incomplete, torch.bfloat16, *case)
    assert outputs_TBH[-1].isnan().any()

    def with_incomplete_backward(kernel: str, plan: Plan, fields: Fields) -> None:
        (incomplete if kernel == "backward" else emulator.launch())(kernel, plan, fields)

    outputs_TBH, _ = wavefront.run_layers(with_incomplete_backward, torch.bfloat16, *case)
    assert not outputs_TBH.isnan().any()
    gradients = torch.autograd.grad(outputs_TBH.float().sum(), case.leaves[2:])
    assert any(gradient.isnan().any() for gradient in gradients)
