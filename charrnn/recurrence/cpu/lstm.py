"""The engine for CPUs: an LSTM layer with a hand-derived backward pass.

Work that does not depend on the previous step is one product over all steps: the projection of the
inputs to the gates, and the gradients of the weights and of the inputs. Only the product with the
recurrent weights, packed once per call, and the fused gates are inside the loop over time.

Vectors and products are float32 or bfloat16. The cell, its gradient and the activations are
float32.

Shape suffixes: T steps, B streams, I inputs, V characters, H units, G gate rows (4H), N = T * B.
The prefix `grad_` means the gradient of the loss with respect to that tensor.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from charrnn.recurrence.cpu import gates
from charrnn.recurrence.cpu.buffers import BufferLease
from charrnn.recurrence.cpu.matmul import as_array, matmul, prepare_matmul
from charrnn.recurrence.layer import LayerState, LayerWeights

_MIN_FLOAT32_STREAMS = 32  # per thread


def is_preferred(streams: int, weights: LayerWeights) -> bool:
    """Whether this engine is faster for an LSTM layer than the kernels of torch.

    In float32, the kernels of torch are as fast for few streams if they may use oneDNN.
    """
    weight = weights.weight_hh_GH
    if weight.device.type != "cpu" or weight.dtype != torch.float32:
        return False
    dtype = _computing_dtype()
    is_faster = (
        streams >= _MIN_FLOAT32_STREAMS * torch.get_num_threads()
        or not torch.backends.mkldnn.enabled
    )
    return dtype == torch.bfloat16 or (dtype == torch.float32 and is_faster)


def run_layer(
    inputs: Tensor, state: LayerState, weights: LayerWeights
) -> tuple[Tensor, LayerState]:
    """Run an LSTM layer; see `charrnn.recurrence.dispatch.run_layer`.

    Under `torch.autocast` in bfloat16, the products and the outputs are bfloat16; the state stays
    float32. A graph supports one backward pass.
    """
    outputs_TBH, *last = _Layer.apply(  # type: ignore[no-untyped-call]
        _computing_dtype(), inputs, *state, *weights
    )
    return outputs_TBH, tuple(last)


def _computing_dtype() -> torch.dtype:
    autocast = torch.is_autocast_enabled("cpu")
    return torch.get_autocast_dtype("cpu") if autocast else torch.float32


class _Layer(torch.autograd.Function):
    """The outputs and the last state of a layer as a function of inputs, state and weights."""

    @staticmethod
    @torch.autocast("cpu", enabled=False)  # type: ignore[untyped-decorator]
    def forward(
        ctx: Any,
        dtype: torch.dtype,
        inputs: Tensor,
        hidden_BH: Tensor,
        cell_BH: Tensor,
        *parameters: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        weights = LayerWeights(*parameters)
        lease = BufferLease()
        length, (streams, units) = inputs.shape[0], hidden_BH.shape
        gates_TBG = lease.acquire((length, streams, 4 * units), torch.float32)
        cells_TBH = lease.acquire((length + 1, streams, units), torch.float32)
        cells_TBH[0] = cell_BH
        initial_BH = hidden_BH.to(dtype).contiguous()
        outputs_TBH = torch.empty(length, streams, units, dtype=dtype)
        if inputs.is_floating_point():
            inputs = inputs.to(dtype)
        _forward_through_time(inputs, initial_BH, weights, gates_TBG, cells_TBH, outputs_TBH)
        ctx.save_for_backward(
            inputs, initial_BH, outputs_TBH, weights.weight_ih_GI, weights.weight_hh_GH
        )
        ctx.buffers = lease, gates_TBG, cells_TBH
        ctx.set_materialize_grads(False)
        # Copies, so that a stored state keeps no reference to all outputs or to a leased buffer.
        return outputs_TBH, outputs_TBH[-1].to(torch.float32, copy=True), cells_TBH[-1].clone()

    @staticmethod
    @once_differentiable
    @torch.autocast("cpu", enabled=False)  # type: ignore[untyped-decorator]
    def backward(  # type: ignore[override]
        ctx: Any, *gradients: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        if ctx.buffers is None:
            raise RuntimeError(
                "the first backward pass of a layer overwrites its saved tensors: run the forward "
                "pass again before a second backward pass"
            )
        inputs, initial_BH, outputs_TBH, weight_ih_GI, weight_hh_GH = ctx.saved_tensors
        (lease, gates_TBG, cells_TBH), ctx.buffers = ctx.buffers, None
        dtype, (_, streams, units) = outputs_TBH.dtype, outputs_TBH.shape
        grad_outputs_TBH, grad_hidden_BH, grad_cell_BH = (
            torch.zeros(result.shape) if gradient is None else gradient
            for gradient, result in zip(
                gradients, (outputs_TBH, initial_BH, initial_BH), strict=True
            )
        )
        grad_hidden_BH = grad_hidden_BH.to(dtype, copy=True).contiguous()
        grad_cell_BH = grad_cell_BH.clone(memory_format=torch.contiguous_format)
        grad_gates_TBG = gates_TBG
        if dtype != torch.float32:
            grad_gates_TBG = lease.acquire(tuple(gates_TBG.shape), dtype)
        _backward_through_time(
            (grad_outputs_TBH.to(dtype).contiguous(), grad_hidden_BH, grad_cell_BH),
            weight_hh_GH,
            gates_TBG,
            cells_TBH,
            grad_gates_TBG,
        )
        grad_gates_NG = grad_gates_TBG.view(-1, 4 * units)
        grad_inputs = None
        if ctx.needs_input_grad[1]:
            grad_inputs = matmul(grad_gates_NG, weight_ih_GI.to(dtype)).view(inputs.shape)
        grad_state = grad_hidden_BH.float(), grad_cell_BH
        if not any(ctx.needs_input_grad[4:]):  # the weights are constants
            lease.release()
            return (None, grad_inputs, *grad_state, None, None, None, None)
        grad_hh_GH = matmul(grad_gates_TBG[0].t(), initial_BH).float()
        grad_hh_GH += matmul(grad_gates_NG[streams:].t(), outputs_TBH[:-1].flatten(0, 1))
        grad_ih_GI, grad_bias_G = _input_gradients(inputs, grad_gates_NG, weight_ih_GI.shape[1])
        lease.release()
        return (
            None,
            grad_inputs,
            *grad_state,
            grad_ih_GI,
            grad_hh_GH,
            grad_bias_G,
            grad_bias_G.clone(),
        )


def _forward_through_time(
    inputs: Tensor,
    initial_BH: Tensor,
    weights: LayerWeights,
    gates_TBG: Tensor,
    cells_TBH: Tensor,
    outputs_TBH: Tensor,
) -> None:
    """Write the activations, cells and outputs of all steps; `cells_TBH[0]` is the initial cell."""
    length, streams, rows = gates_TBG.shape
    dtype, scratch = initial_BH.dtype, BufferLease()
    if inputs.is_floating_point():
        # The projections of the inputs share memory with the activations if the dtypes agree.
        projected_TBG = gates_TBG
        if dtype != torch.float32:
            projected_TBG = scratch.acquire(tuple(gates_TBG.shape), dtype)
        projected_NG = projected_TBG.view(-1, rows)
        matmul(inputs.flatten(0, 1), weights.weight_ih_GI.to(dtype).t(), projected_NG)
        rows_TB = torch.arange(length * streams).view(length, streams)
    else:
        projected_NG, rows_TB = weights.weight_ih_GI.t().contiguous(), inputs.contiguous()
    product = prepare_matmul(weights.weight_hh_GH.to(dtype), streams)
    projected, bias = as_array(projected_NG), as_array(weights.bias_ih_G + weights.bias_hh_G)
    table_rows, activations = as_array(rows_TB), as_array(gates_TBG)
    cells, outputs = as_array(cells_TBH), as_array(outputs_TBH)

    before_BH = initial_BH
    for t, output_BH in enumerate(outputs_TBH):
        gates.forward(
            table_rows[t],
            projected,
            bias,
            as_array(product(before_BH)),
            activations[t],
            cells[t],
            cells[t + 1],
            outputs[t],
        )
        before_BH = output_BH
    scratch.release()


def _backward_through_time(
    gradients: tuple[Tensor, Tensor, Tensor],
    weight_hh_GH: Tensor,
    gates_TBG: Tensor,
    cells_TBH: Tensor,
    grad_gates_TBG: Tensor,
) -> None:
    """Write the gradients of the gates before their activation, and of the initial state.

    `gradients` are those of the outputs (T, B, H), the last hidden state and the last cell (B, H).
    The gradients of the initial state overwrite those of the last state.
    """
    length, streams, _ = gates_TBG.shape
    grad_outputs_TBH, grad_hidden_BH, grad_cell_BH = gradients
    product = prepare_matmul(weight_hh_GH.t().to(grad_hidden_BH.dtype), streams)
    grad_outputs, grad_cell = as_array(grad_outputs_TBH), as_array(grad_cell_BH)
    activations, cells, grad_gates = (
        as_array(gates_TBG),
        as_array(cells_TBH),
        as_array(grad_gates_TBG),
    )

    from_next_BH = grad_hidden_BH
    for t in reversed(range(length)):
        gates.backward(
            grad_outputs[t],
            as_array(from_next_BH),
            activations[t],
            cells[t],
            cells[t + 1],
            grad_cell,
            grad_gates[t],
        )
        from_next_BH = product(grad_gates_TBG[t])
    grad_hidden_BH.copy_(from_next_BH)


def _input_gradients(inputs: Tensor, grad_gates_NG: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Return the gradients of the input weights (G, I or V) and of a bias (G), in float32."""
    if inputs.is_floating_point():
        grad_weight_GI = matmul(grad_gates_NG.t(), inputs.flatten(0, 1)).float()
        grad_bias_1G = torch.zeros(1, grad_gates_NG.shape[1])
        gates.add_rows(
            np.zeros(len(grad_gates_NG), np.int64), as_array(grad_gates_NG), as_array(grad_bias_1G)
        )  # many times faster than `sum`
        return grad_weight_GI, grad_bias_1G[0]
    grad_weight_VG = torch.zeros(width, grad_gates_NG.shape[1])
    gates.add_rows(as_array(inputs.flatten()), as_array(grad_gates_NG), as_array(grad_weight_VG))
    return grad_weight_VG.t(), grad_weight_VG.sum(0)
