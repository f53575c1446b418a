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
    distances,
    network,
    outcome,
    plainly,
)


@pytest.mark.parametrize(
    ("sizes", "dtype", "dropout"),
    [
        ((3, 32, 16, 5), torch.bfloat16, True),
        ((3, 32, 16, 1), torch.bfloat16, False),  # fewer steps than layers
        ((2, 64, 40, 3), torch.float16, False),  # 16 units a block; a tile that is not full
        ((1, 288, 5, 3), torch.bfloat16, False),  # nine stretches of numbers; less than a tile
        ((2, 64, 70, 2), torch.bfloat16, True),  # two tiles a warp
    ],
)
def test_results_and_gradients_are_those_of_the_plain_loop(
    emulator: Emulator, sizes: tuple[int, int, int, int], dtype: torch.dtype, dropout: bool
) -> None:
    made = network(*sizes, dropout=dropout)
    found = wavefront.run_layers(emulator.launch(), dtype, *made)
    assert found[0].dtype == dtype
    assert {part.dtype for part in found[1]} == {torch.float32}
    assert max(distances(outcome(found, made), outcome(plainly(made), made))) < TOLERANCE[dtype]


def test_more_streams_than_a_block_works_on_at_one_time(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wavefront, "_MAX_GROUPS", 1)
    made = network(2, 32, 40, 3, dropout=True)  # one warp, three times
    found = outcome(wavefront.run_layers(emulator.launch(), torch.bfloat16, *made), made)
    assert max(distances(found, outcome(plainly(made), made))) < TOLERANCE[torch.bfloat16]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_products_are_exact_where_nothing_is_rounded(
    emulator: Emulator, dtype: torch.dtype
) -> None:
    """A number that a lane takes for its neighbour's would not hide behind rounding."""
    draws = torch.Generator().manual_seed(0)

    def eighths(*shape: int) -> Tensor:
        return torch.randint(-8, 9, shape, generator=draws) / 8

    layer = LayerWeights(eighths(256, 5), eighths(256, 64), eighths(256), eighths(256))
    parts_LBH = eighths(1, 40, 64), eighths(1, 40, 64)
    made = Network(torch.randint(5, (1, 40), generator=draws), parts_LBH, [layer], None)
    _, (_, cell_LBH) = wavefront.run_layers(emulator.launch(), dtype, *made)
    torch.testing.assert_close(cell_LBH, plainly(made)[1][1], rtol=0, atol=2e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_nothing_is_lost_but_what_16_bits_cannot_hold(
    emulator: Emulator, dtype: torch.dtype
) -> None:
    """Held against float64 that rounds where the kernels do: what differs is rounded the other way.

    The gradients of weights and of the hidden state are results of torch's own 16-bit products.
    """
    made = network(3, 32, 16, 4, dropout=True)
    found = outcome(wavefront.run_layers(emulator.launch(), dtype, *made), made)
    exact = Network(
        made.x_TB,
        tuple(part.detach().double().requires_grad_() for part in made.parts_LBH),
        [
            LayerWeights(*(each.detach().double().requires_grad_() for each in layer))
            for layer in made.layers
        ],
        made.between_MBH,
    )
    expected = outcome(rounding(exact, dtype), exact)
    outputs, last_hidden, last_cell, to_hidden, to_cell, *to_weights = distances(found, expected)
    to_biases = [*to_weights[2::4], *to_weights[3::4]]
    assert max(outputs, last_hidden, last_cell, to_cell, *to_biases) < TOLERANCE[dtype] / 50
    assert max(to_hidden, *to_weights) < TOLERANCE[dtype] / 4


class _RoundedGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, dtype: torch.dtype) -> Tensor:
        ctx.dtype = dtype
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0].to(ctx.dtype).to(gradients[0].dtype), None


def rounding(made: Network, dtype: torch.dtype) -> tuple[Tensor, LayerState]:
    """Run the layers in float64, but round to `dtype` where the kernels do."""

    def rounded(x: Tensor) -> Tensor:  # its gradient is not
        return x + (x.to(dtype).to(x.dtype) - x).detach()

    def rounded_back(x: Tensor) -> Tensor:
        result: Tensor = _RoundedGradient.apply(x, dtype)  # type: ignore[no-untyped-call]
        return result

    inputs_TBI, states = None, []
    for number, weights in enumerate(made.layers):
        hidden_BH, cell_BH = rounded(made.parts_LBH[0][number]), made.parts_LBH[1][number]
        outputs, given = [], []
        for t, x_B in enumerate(made.x_TB):
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
            if number < len(made.layers) - 1 and made.between_MBH is not None:
                given.append(rounded(exact_BH * made.between_MBH[number]))
        inputs_TBI = torch.stack(given or outputs)
        states.append((hidden_BH, cell_BH))
    last = tuple(torch.stack(part) for part in zip(*states, strict=True))
    return rounded_back(torch.stack(outputs)), last


def test_the_same_bits_come_out_every_time(emulator: Emulator) -> None:
    """Blocks and threads run in another order each time: where one reads too early, it shows."""
    made = network(3, 32, 16, 6, dropout=True)
    first, *others = (
        outcome(wavefront.run_layers(emulator.launch(), torch.bfloat16, *made), made)
        for _ in range(5)
    )
    for other in others:
        assert all(mine.equal(theirs) for mine, theirs in zip(first, other, strict=True))


def test_only_what_is_asked_for_is_computed(emulator: Emulator) -> None:
    made = network(2, 32, 16, 3)
    expected = outcome(plainly(made), made)
    with torch.no_grad():
        outputs_TBH, _ = wavefront.run_layers(emulator.launch(), torch.bfloat16, *made)
    assert distances([outputs_TBH.float()], expected[:1])[0] < TOLERANCE[torch.bfloat16]
    blank = made._replace(parts_LBH=tuple(torch.zeros_like(part) for part in made.parts_LBH))
    weights = blank.leaves[2:]
    gradients = []
    for outputs, _ in (
        wavefront.run_layers(emulator.launch(), torch.bfloat16, *blank),
        plainly(blank),
    ):  # as in training: no gradient comes from the state, and none is wanted for it
        gradients.append(torch.autograd.grad(outputs.float().square().sum(), weights))
    assert max(distances(*map(list, gradients))) < TOLERANCE[torch.bfloat16]


def test_where_blocks_do_not_meet_the_results_are_no_numbers(emulator: Emulator) -> None:
    made = network(2, 32, 16, 3)
    alone = emulator.launch("-DSPINS=300", absent=3)
    outputs_TBH, _ = wavefront.run_layers(alone, torch.bfloat16, *made)
    assert outputs_TBH[-1].isnan().any()

    def backward_alone(kernel: str, plan: Plan, fields: Fields) -> None:
        (alone if kernel == "backward" else emulator.launch())(kernel, plan, fields)

    outputs_TBH, _ = wavefront.run_layers(backward_alone, torch.bfloat16, *made)
    assert not outputs_TBH.isnan().any()
    gradients = torch.autograd.grad(outputs_TBH.float().sum(), made.leaves[2:])
    assert any(each.isnan().any() for each in gradients)
