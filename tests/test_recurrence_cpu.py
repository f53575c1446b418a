import gc
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from charrnn.recurrence import native, reference
from charrnn.recurrence.cpu import buffers, gates, lstm, matmul, threads
from charrnn.recurrence.dispatch import run_layer
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


SHARES = st.sampled_from([(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (1.0, 0.5, -2.0)])


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 9), st.integers(1, 70), st.integers(1, 20), st.integers(1, 9), st.booleans(),
    SHARES, st.sampled_from([1, 2, 3]),
)  # fmt: skip
@example(8, 42, 1, 1, False, (1.0, 0.0, 0.0), 1)
def test_results_and_gradients_are_those_of_the_plain_loop(
    length: int, batch: int, units: int, width: int, codes: bool, shares: Any, threads: int
) -> None:
    torch.set_num_threads(threads)
    made = layer(length, batch, units, width, codes=codes)
    exact = outcome(plain, made, shares)
    ours, weights = outcome(lstm.run_layer, single(made), shares), len(LayerWeights._fields)
    assert_near(ours[:-weights], exact[:-weights], 2e-6)
    # Gradients of weights add up over steps and streams, and rounding grows with the root of that.
    tolerance = 2e-6 * max(1.0, (length * batch / 50) ** 0.5)
    assert_near(ours[-weights:], exact[-weights:], tolerance)
    # Sums of many steps and streams can cancel: where torch's own bfloat16 is farther off than a
    # twentieth anywhere, as with 8 steps of 42 streams and one unit, so may this be.
    torchs = max(distances(outcome(in_torchs_bfloat16, single(made), shares), exact))
    assert_near(outcome(in_bfloat16, single(made), shares), exact, max(5e-2, torchs))


def test_gradients_in_bfloat16_are_within_a_hundredth_at_the_scale_of_training() -> None:
    made = single(layer(32, 16, 64, 64))
    inputs, state, weights = made
    made = inputs, state, LayerWeights(*(each.detach().mul(0.15) for each in weights))
    for each in made[2]:
        each.requires_grad_()
    shares = (1.0, 0.0, 0.0)
    for mine, theirs in zip(
        outcome(in_bfloat16, made, shares), outcome(plain, made, shares), strict=True
    ):
        assert (mine.float() - theirs).norm() < 0.01 * theirs.norm()


def test_masked_recurrent_weights_pass_their_gradient_through_the_mask() -> None:
    inputs, state, weights = layer()
    mask_GH = (torch.arange(24 * 6) % 3 > 0).view(24, 6).double() * 1.5

    def masked(engine: Any) -> Any:
        def run(inputs: Tensor, state: LayerState, weights: LayerWeights) -> Any:
            mask = mask_GH.to(weights.weight_hh_GH.dtype)
            return engine(inputs, state, weights._replace(weight_hh_GH=weights.weight_hh_GH * mask))

        return run

    made, shares = (inputs, state, weights), (1.0, 1.0, 1.0)
    ours = outcome(masked(lstm.run_layer), single(made), shares)
    assert_near(ours, outcome(masked(plain), made, shares), 1e-6)
    to_recurrent = ours[3 + 3 + 1]
    assert not to_recurrent[mask_GH == 0].any()
    assert to_recurrent[mask_GH > 0].all()


def test_inputs_need_not_be_contiguous() -> None:
    inputs, (hidden, memory), weights = single(layer(4, 3, 6, 6))
    strided = (
        inputs.detach().transpose(0, 1).contiguous().transpose(0, 1).requires_grad_(),
        (hidden.detach().t().contiguous().t().requires_grad_(), memory),
        weights,
    )
    assert not strided[0].is_contiguous()
    assert not strided[1][0].is_contiguous()
    shares = (1.0, 1.0, 1.0)
    for mine, theirs in zip(
        outcome(lstm.run_layer, strided, shares),
        outcome(lstm.run_layer, (inputs, (hidden, memory), weights), shares),
        strict=True,
    ):
        assert torch.equal(mine, theirs)


def test_a_transposed_gradient_is_understood() -> None:
    inputs, state, weights = single(layer(4, 3, 6, 6))
    to_outputs = torch.randn(3, 4, 6).transpose(0, 1)
    results = []
    for gradient in (to_outputs, to_outputs.contiguous()):
        outputs, _ = lstm.run_layer(inputs, state, weights)
        results.append(torch.autograd.grad(outputs, list(weights), gradient))
    assert all(map(torch.equal, *results))


@pytest.mark.parametrize("engine", [lstm.run_layer, in_bfloat16])
@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_call_gives_the_same_bytes(engine: Any, threads: int) -> None:
    torch.set_num_threads(threads)
    made, shares = single(layer(7, 66, 33, 20, codes=True)), (1.0, 0.5, -2.0)
    first, second = outcome(engine, made, shares), outcome(engine, made, shares)
    assert all(map(torch.equal, first, second))


def test_threads_share_the_streams_and_leave_torch_its_own() -> None:
    made, shares = single(layer(6, 70, 8, 5)), (1.0, 1.0, 1.0)
    alone = outcome(lstm.run_layer, made, shares)
    torch.set_num_threads(2)
    assert threads.largest_share(70) == 35
    together = outcome(lstm.run_layer, made, shares)
    assert torch.get_num_threads() == 2
    assert_near(together, [each.double() for each in alone], 1e-6)


def test_a_failure_in_one_thread_is_raised_once_all_have_ended() -> None:
    torch.set_num_threads(2)
    ended = []

    def run(some: slice) -> None:
        if some.start == 0:
            raise ValueError(some)
        ended.append(some)

    with pytest.raises(ValueError, match="slice"):
        threads.deal_out(run, 64)
    assert ended == [slice(32, 64)]


def test_two_forwards_then_both_backwards_are_as_each_alone() -> None:
    made, shares = [single(layer(5, 4, 6, 7)), single(layer(5, 4, 6, 8))], (1.0, 0.0, 0.0)
    alone = [outcome(lstm.run_layer, each, shares)[3:] for each in made]
    weighed = [torch.arange(5 * 4 * 6).view(5, 4, 6).sin().float()] * 2
    outputs = [lstm.run_layer(*each)[0] for each in made]
    for which in (0, 1):
        gradients = torch.autograd.grad(outputs[which], leaves(made[which]), weighed[which])
        for mine, theirs in zip(gradients, alone[which], strict=True):
            torch.testing.assert_close(mine, theirs)


def test_an_evaluation_between_forward_and_backward_changes_nothing() -> None:
    made = single(layer(5, 4, 6, 7))
    first, _ = lstm.run_layer(*made)
    expected = torch.autograd.grad(first.sum(), leaves(made))
    second, _ = lstm.run_layer(*made)
    with torch.inference_mode():
        lstm.run_layer(*single(layer(9, 8, 6, 7)))
        lstm.run_layer(*single(layer(5, 4, 6, 3)))
    assert all(map(torch.equal, torch.autograd.grad(second.sum(), leaves(made)), expected))


def test_what_was_returned_stays_as_it_is() -> None:
    made = single(layer(5, 4, 6, 7))
    outputs, last = lstm.run_layer(*made)
    gradients = torch.autograd.grad(outputs.sum() + last[1].sum(), leaves(made))
    kept = [outputs, *last, *gradients]
    copies = [each.detach().clone() for each in kept]
    for seed in range(3):
        other = single(layer(5, 4, 6, 8 + seed))
        torch.autograd.grad(lstm.run_layer(*other)[0].sum(), leaves(other))
    assert all(map(torch.equal, kept, copies))


def test_buffers_first_lent_in_inference_serve_training_too() -> None:
    buffers._FREE.clear()
    made = single(layer(5, 4, 6, 7))
    with torch.inference_mode():
        lstm.run_layer(*made)
    assert buffers._FREE
    assert all(map(torch.isfinite, outcome(lstm.run_layer, made, (1.0, 1.0, 1.0))[-1]))


def test_buffers_come_back_after_backward_and_from_forgotten_forwards() -> None:
    buffers._FREE.clear()
    made = single(layer(5, 4, 6, 7))
    outputs, _ = lstm.run_layer(*made)
    assert buffers._FREE == []
    outputs.sum().backward()  # type: ignore[no-untyped-call]
    there = {buffer.data_ptr() for buffer in buffers._FREE}
    assert len(there) == 2
    for _ in range(3):
        forgotten = lstm.run_layer(*made)
        del forgotten
        gc.collect()
    assert {buffer.data_ptr() for buffer in buffers._FREE} == there


def test_a_larger_shape_takes_the_place_of_a_smaller() -> None:
    buffers._FREE.clear()
    for length in (3, 6, 12, 6, 3):
        with torch.no_grad():
            lstm.run_layer(*single(layer(length)))
    assert len(buffers._FREE) == 2


def test_a_second_backward_is_refused() -> None:
    made = single(layer())
    loss = lstm.run_layer(*made)[0].sum()
    loss.backward(retain_graph=True)  # type: ignore[no-untyped-call]
    with pytest.raises(RuntimeError, match="go forward again"):
        loss.backward()  # type: ignore[no-untyped-call]


def test_gradients_of_gradients_are_refused() -> None:
    inputs, state, weights = single(layer())
    (gradient,) = torch.autograd.grad(
        lstm.run_layer(inputs, state, weights)[0].square().sum(), inputs, create_graph=True
    )
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("engine", [lstm.run_layer, in_bfloat16])
@pytest.mark.parametrize("worth_packing", [0, 10**12])
def test_packed_and_public_products_agree(
    engine: Any, worth_packing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matmul, "_WORTH_PACKING", worth_packing)
    made, shares = layer(4, 5, 16, 9), (1.0, 1.0, 1.0)
    tolerance = 2e-6 if engine is lstm.run_layer else 5e-2
    assert_near(outcome(engine, single(made), shares), outcome(plain, made, shares), tolerance)


def test_without_the_private_operators_the_public_product_serves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x_MK, weight_NK = torch.randn(4, 8), torch.randn(6, 8)
    monkeypatch.setattr(matmul, "_WORTH_PACKING", 0)
    matmul._can_pack.cache_clear()
    try:
        with monkeypatch.context() as patch:  # comparing needs the operators again
            patch.setattr(torch, "ops", SimpleNamespace())
            assert not matmul._can_pack(torch.float32)
            result_MN = matmul.packed(weight_NK, 4)(x_MK)
    finally:
        matmul._can_pack.cache_clear()
    torch.testing.assert_close(result_MN, x_MK @ weight_NK.t())


def test_what_is_not_a_number_shows() -> None:
    inputs, state, weights = single(layer())
    weights.weight_hh_GH.data[0, 0] = float("nan")
    assert lstm.run_layer(inputs, state, weights)[0].isnan().any()


@settings(max_examples=300)
@given(st.floats(width=32, min_value=-300, max_value=300))
def test_gates_are_exact_to_float32(x: float) -> None:
    one = np.ones((1, 1), np.float32)
    activations, memory = np.empty((1, 4), np.float32), np.empty((1, 1), np.float32)
    gates.forward(
        np.zeros(1, np.int64), np.full((1, 4), x, np.float32), np.zeros(4, np.float32),
        np.zeros((1, 4), np.float32), activations, one, memory, one.copy(),
    )  # fmt: skip
    wanted = 1 / (1 + np.exp(-np.float64(x)))
    assert abs(activations[0, 0] - wanted) < 2e-7
    assert abs(activations[0, 2] - np.tanh(np.float64(x))) < 3e-7
    assert abs(memory[0, 0] - wanted * (1 + np.tanh(np.float64(x)))) < 8e-7


def test_hidden_states_are_rounded_to_bfloat16_as_torch_does() -> None:
    cells = torch.linspace(0.01, 4, 4001)
    units = len(cells)
    hidden = torch.empty(1, units, dtype=torch.bfloat16)
    shares = torch.zeros(1, 4 * units)
    shares[0, : 2 * units] = 40.0  # input and forget gate open
    shares[0, 3 * units :] = 40.0
    gates.forward(
        np.zeros(1, np.int64), shares.numpy(), np.zeros(4 * units, np.float32),
        np.zeros((1, 4 * units), np.float32), np.empty((1, 4 * units), np.float32),
        cells[None].numpy(), np.empty((1, units), np.float32), matmul.as_array(hidden),
    )  # fmt: skip
    exact = cells.double().tanh()
    between = (hidden[0].double() - exact).abs() / exact
    assert between.max() <= 2**-8 * 1.0001
    assert (hidden[0] == exact.float().bfloat16()).double().mean() > 0.998


def test_the_engine_is_chosen_by_what_there_is() -> None:
    weights = single(layer(units=4))[2]
    assert lstm.serves(32, weights)
    assert not lstm.serves(31, weights)
    assert not lstm.serves(32, LayerWeights(*(each.double() for each in weights)))
    assert not lstm.serves(32, LayerWeights(*(each.to("meta") for each in weights)))
    with torch.autocast("cpu", torch.bfloat16):
        assert lstm.serves(1, weights)
    with torch.autocast("cpu", torch.float16):
        assert not lstm.serves(64, weights)
    torch.set_num_threads(2)
    assert not lstm.serves(63, weights)


@pytest.mark.parametrize("batch", [3, 32])
def test_every_engine_gives_the_same_layer(batch: int) -> None:
    inputs, state, weights = single(layer(4, batch))
    whole, _ = run_layer("lstm", inputs, state, weights)
    torch.testing.assert_close(whole, native.run_layer("lstm", inputs, state, weights)[0])
    torch.testing.assert_close(whole, plain(inputs, state, weights)[0])
