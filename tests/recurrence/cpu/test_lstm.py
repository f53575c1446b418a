from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from charrnn.recurrence.cpu import lstm, matmul
from charrnn.recurrence.layer import LayerState, LayerWeights
from tests.recurrence.layers import (
    as_float32,
    as_float64,
    assert_close_norm,
    layer,
    relative_errors,
    run_bfloat16,
    run_reference,
    run_reference_bfloat16,
    run_with_gradients,
)

LOSS_WEIGHTS = st.sampled_from(
    [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (1.0, 0.5, -2.0)]
)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 9), st.integers(1, 70), st.integers(1, 20), st.integers(1, 9), st.booleans(),
    LOSS_WEIGHTS, st.sampled_from([1, 2, 3]),
)  # fmt: skip
@example(8, 42, 1, 1, False, (1.0, 0.0, 0.0), 1)
@example(9, 10, 9, 1, True, (0.0, 1.0, 0.0), 1)
def test_results_and_gradients_equal_reference(
    length: int, batch: int, units: int, width: int, codes: bool, loss_weights: Any, threads: int
) -> None:
    torch.set_num_threads(threads)
    case = layer(length, batch, units, width, codes=codes)
    exact = run_with_gradients(run_reference, case, loss_weights)
    results = run_with_gradients(lstm.run_layer, as_float32(case), loss_weights)
    weights = len(LayerWeights._fields)
    assert_close_norm(results[:-weights], exact[:-weights], 2e-6)
    # Gradients of weights are sums over steps and streams. The error grows with the root of the
    # number of terms. If they are ill-conditioned, for example with 9 steps, 10 streams, 9 units
    # and width 1, the error of rounding the layer to float32 shows it.
    tolerance = 2e-6 * max(1.0, (length * batch / 50) ** 0.5)
    rounded = run_with_gradients(run_reference, as_float64(as_float32(case)), loss_weights)
    rounding_error = max(relative_errors(rounded[-weights:], exact[-weights:]))
    assert_close_norm(results[-weights:], exact[-weights:], max(tolerance, 10 * rounding_error))
    # Large terms of a sum can cancel, for example with 8 steps, 42 streams and one unit. If the
    # error of torch in bfloat16 is larger than 5%, this engine may have the same error.
    torch_error = max(
        relative_errors(
            run_with_gradients(run_reference_bfloat16, as_float32(case), loss_weights), exact
        )
    )
    assert_close_norm(
        run_with_gradients(run_bfloat16, as_float32(case), loss_weights),
        exact,
        max(5e-2, torch_error),
    )


def test_gradients_in_bfloat16_are_within_a_hundredth_at_the_scale_of_training() -> None:
    case = as_float32(layer(32, 16, 64, 64))
    inputs, state, weights = case
    case = inputs, state, LayerWeights(*(weight.detach().mul(0.15) for weight in weights))
    for weight in case[2]:
        weight.requires_grad_()
    loss_weights = (1.0, 0.0, 0.0)
    for actual, expected in zip(
        run_with_gradients(run_bfloat16, case, loss_weights),
        run_with_gradients(run_reference, case, loss_weights),
        strict=True,
    ):
        assert (actual.float() - expected).norm() < 0.01 * expected.norm()


def test_masked_recurrent_weights_pass_their_gradient_through_the_mask() -> None:
    inputs, state, weights = layer()
    mask_GH = (torch.arange(24 * 6) % 3 > 0).view(24, 6).double() * 1.5

    def masked(engine: Any) -> Any:
        def run(inputs: Tensor, state: LayerState, weights: LayerWeights) -> Any:
            mask = mask_GH.to(weights.weight_hh_GH.dtype)
            return engine(inputs, state, weights._replace(weight_hh_GH=weights.weight_hh_GH * mask))

        return run

    case, loss_weights = (inputs, state, weights), (1.0, 1.0, 1.0)
    results = run_with_gradients(masked(lstm.run_layer), as_float32(case), loss_weights)
    assert_close_norm(results, run_with_gradients(masked(run_reference), case, loss_weights), 1e-6)
    grad_hh_GH = results[3 + 3 + 1]
    assert not grad_hh_GH[mask_GH == 0].any()
    assert grad_hh_GH[mask_GH > 0].all()


def test_inputs_need_not_be_contiguous() -> None:
    inputs, (hidden, memory), weights = as_float32(layer(4, 3, 6, 6))
    strided = (
        inputs.detach().transpose(0, 1).contiguous().transpose(0, 1).requires_grad_(),
        (hidden.detach().t().contiguous().t().requires_grad_(), memory),
        weights,
    )
    assert not strided[0].is_contiguous()
    assert not strided[1][0].is_contiguous()
    loss_weights = (1.0, 1.0, 1.0)
    for actual, expected in zip(
        run_with_gradients(lstm.run_layer, strided, loss_weights),
        run_with_gradients(lstm.run_layer, (inputs, (hidden, memory), weights), loss_weights),
        strict=True,
    ):
        assert torch.equal(actual, expected)


def test_gradients_need_not_be_contiguous() -> None:
    inputs, state, weights = as_float32(layer(4, 3, 6, 6))
    grad_outputs = torch.randn(3, 4, 6).transpose(0, 1)
    results = []
    for gradient in (grad_outputs, grad_outputs.contiguous()):
        outputs, _ = lstm.run_layer(inputs, state, weights)
        results.append(torch.autograd.grad(outputs, list(weights), gradient))
    assert all(map(torch.equal, *results))


@pytest.mark.parametrize("engine", [lstm.run_layer, run_bfloat16])
@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_call_gives_the_same_bytes(engine: Any, threads: int) -> None:
    torch.set_num_threads(threads)
    case, loss_weights = as_float32(layer(7, 66, 33, 20, codes=True)), (1.0, 0.5, -2.0)
    first, second = (
        run_with_gradients(engine, case, loss_weights),
        run_with_gradients(engine, case, loss_weights),
    )
    assert all(map(torch.equal, first, second))


def test_constant_weights_leave_the_other_gradients_unchanged() -> None:
    inputs, state, weights = as_float32(layer())
    constants = LayerWeights(*(weight.detach() for weight in weights))
    gradients = [
        torch.autograd.grad(lstm.run_layer(inputs, state, parameters)[0].sum(), [inputs, *state])
        for parameters in (weights, constants)
    ]
    assert all(map(torch.equal, *gradients))


def test_second_backward_is_an_error() -> None:
    case = as_float32(layer())
    loss = lstm.run_layer(*case)[0].sum()
    loss.backward(retain_graph=True)  # type: ignore[no-untyped-call]
    with pytest.raises(RuntimeError, match="run the forward"):
        loss.backward()  # type: ignore[no-untyped-call]


def test_second_order_gradients_are_an_error() -> None:
    inputs, state, weights = as_float32(layer())
    (gradient,) = torch.autograd.grad(
        lstm.run_layer(inputs, state, weights)[0].square().sum(), inputs, create_graph=True
    )
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()  # type: ignore[no-untyped-call]


def test_cpu_engine_is_preferred_by_dtype_device_and_streams() -> None:
    weights = as_float32(layer(units=4))[2]
    assert lstm.is_preferred(32, weights)
    assert not lstm.is_preferred(31, weights)
    assert not lstm.is_preferred(32, LayerWeights(*(weight.double() for weight in weights)))
    assert not lstm.is_preferred(32, LayerWeights(*(weight.to("meta") for weight in weights)))
    with torch.autocast("cpu", torch.bfloat16):
        assert lstm.is_preferred(1, weights)
    with torch.autocast("cpu", torch.float16):
        assert not lstm.is_preferred(64, weights)
    torch.set_num_threads(2)
    assert not lstm.is_preferred(63, weights)


def test_without_onednn_the_cpu_engine_runs_every_layer_without_packed_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weights = as_float32(layer(units=4))[2]
    assert not lstm.is_preferred(1, weights)
    assert matmul._can_pack(torch.float32)
    monkeypatch.setattr(torch.backends.mkldnn, "enabled", False)
    assert lstm.is_preferred(1, weights)
    assert not matmul._can_pack(torch.float32)
