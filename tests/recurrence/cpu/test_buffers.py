import gc

import torch

from charrnn.recurrence.cpu import buffers, lstm
from tests.recurrence.layers import as_float32, layer, leaf_tensors, run_with_gradients


def test_interleaved_forward_and_backward_passes_are_independent() -> None:
    cases = [as_float32(layer(5, 4, 6, 7)), as_float32(layer(5, 4, 6, 8))]
    loss_weights = (1.0, 0.0, 0.0)
    alone = [run_with_gradients(lstm.run_layer, case, loss_weights)[3:] for case in cases]
    output_gradients = [torch.arange(5 * 4 * 6).view(5, 4, 6).sin().float()] * 2
    outputs = [lstm.run_layer(*case)[0] for case in cases]
    for n in (0, 1):
        gradients = torch.autograd.grad(outputs[n], leaf_tensors(cases[n]), output_gradients[n])
        for actual, expected in zip(gradients, alone[n], strict=True):
            torch.testing.assert_close(actual, expected)


def test_an_evaluation_between_forward_and_backward_changes_nothing() -> None:
    case = as_float32(layer(5, 4, 6, 7))
    first, _ = lstm.run_layer(*case)
    expected = torch.autograd.grad(first.sum(), leaf_tensors(case))
    second, _ = lstm.run_layer(*case)
    with torch.inference_mode():
        lstm.run_layer(*as_float32(layer(9, 8, 6, 7)))
        lstm.run_layer(*as_float32(layer(5, 4, 6, 3)))
    assert all(map(torch.equal, torch.autograd.grad(second.sum(), leaf_tensors(case)), expected))


def test_returned_tensors_are_not_overwritten() -> None:
    case = as_float32(layer(5, 4, 6, 7))
    outputs, last = lstm.run_layer(*case)
    gradients = torch.autograd.grad(outputs.sum() + last[1].sum(), leaf_tensors(case))
    results = [outputs, *last, *gradients]
    copies = [result.detach().clone() for result in results]
    for seed in range(3):
        other = as_float32(layer(5, 4, 6, 8 + seed))
        torch.autograd.grad(lstm.run_layer(*other)[0].sum(), leaf_tensors(other))
    assert all(map(torch.equal, results, copies))


def test_buffers_allocated_in_inference_can_be_used_in_training() -> None:
    buffers._FREE.clear()
    case = as_float32(layer(5, 4, 6, 7))
    with torch.inference_mode():
        lstm.run_layer(*case)
    assert buffers._FREE
    assert all(map(torch.isfinite, run_with_gradients(lstm.run_layer, case, (1.0, 1.0, 1.0))[-1]))


def test_buffers_are_released_by_backward_and_by_deletion() -> None:
    buffers._FREE.clear()
    case = as_float32(layer(5, 4, 6, 7))
    outputs, _ = lstm.run_layer(*case)
    assert buffers._FREE == []
    outputs.sum().backward()  # type: ignore[no-untyped-call]
    addresses = {buffer.data_ptr() for buffer in buffers._FREE}
    assert len(addresses) == 2
    for _ in range(3):
        unused = lstm.run_layer(*case)
        del unused
        gc.collect()
    assert {buffer.data_ptr() for buffer in buffers._FREE} == addresses


def test_larger_buffers_replace_smaller_ones() -> None:
    buffers._FREE.clear()
    for length in (3, 6, 12, 6, 3):
        with torch.no_grad():
            lstm.run_layer(*as_float32(layer(length)))
    assert len(buffers._FREE) == 2
