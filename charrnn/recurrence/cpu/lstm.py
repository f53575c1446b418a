"""The engine for processors: an LSTM layer with its hand-derived backward.

What does not depend on time is one product over all steps: the inputs' share of the gates, the
gradients of the weights and of the inputs. Inside the loop over time stay the product with the
recurrent weights, packed once a call, and the fused gates. With several threads the streams are
dealt out, and each thread goes through time alone.

Vectors and products are float32 or bfloat16; the cell, its gradient and the activations float32.

Shape suffixes: T steps, B streams, I inputs, V characters, H units, G gate rows (4H), N = T * B.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from charrnn.recurrence.cpu import gates
from charrnn.recurrence.cpu.buffers import Loan
from charrnn.recurrence.cpu.matmul import as_array, multiply, packed
from charrnn.recurrence.cpu.threads import FEWEST_STREAMS, deal_out, largest_share
from charrnn.recurrence.layer import LayerState, LayerWeights


def serves(streams: int, weights: LayerWeights) -> bool:
    """Whether this engine is the one to choose for an LSTM layer.

    In float32 the kernels that come with torch are as fast for few streams: measured on two AVX2
    cores; on other processors not measured.
    """
    like = weights.weight_hh_GH
    if like.device.type != "cpu" or like.dtype != torch.float32:
        return False
    dtype = _computing_dtype()
    many = streams >= FEWEST_STREAMS * torch.get_num_threads()
    return dtype == torch.bfloat16 or (dtype == torch.float32 and many)


def run_layer(
    inputs: Tensor, state: LayerState, weights: LayerWeights
) -> tuple[Tensor, LayerState]:
    """Run an LSTM layer; see `charrnn.recurrence.dispatch.run_layer`.

    Computes in bfloat16 where `torch.autocast` asks for it; the outputs are bfloat16 then, the
    state float32 all the same. A graph can be gone through backward once.
    """
    outputs_TBH, *last = _Layer.apply(  # type: ignore[no-untyped-call]
        _computing_dtype(), inputs, *state, *weights
    )
    return outputs_TBH, tuple(last)


def _computing_dtype() -> torch.dtype:
    autocast = torch.is_autocast_enabled("cpu")
    return torch.get_autocast_dtype("cpu") if autocast else torch.float32


class _Layer(torch.autograd.Function):
    """Outputs and last state of a layer, as a function of inputs, state and weights."""

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
        loan = Loan()
        length, (streams, units) = inputs.shape[0], hidden_BH.shape
        gates_TBG = loan.take((length, streams, 4 * units), torch.float32)
        cells_TBH = loan.take((length + 1, streams, units), torch.float32)  # [0]: before the first
        cells_TBH[0] = cell_BH
        first_BH = hidden_BH.to(dtype).contiguous()
        outputs_TBH = torch.empty(length, streams, units, dtype=dtype)
        if inputs.is_floating_point():
            inputs = inputs.to(dtype)
        _forward_through_time(inputs, first_BH, weights, gates_TBG, cells_TBH, outputs_TBH)
        ctx.save_for_backward(
            inputs, first_BH, outputs_TBH, weights.weight_ih_GI, weights.weight_hh_GH
        )
        ctx.kept = loan, gates_TBG, cells_TBH
        ctx.set_materialize_grads(False)
        # Copies: who keeps a state keeps neither all outputs nor a buffer that is lent again.
        return outputs_TBH, outputs_TBH[-1].to(torch.float32, copy=True), cells_TBH[-1].clone()

    @staticmethod
    @once_differentiable
    @torch.autocast("cpu", enabled=False)  # type: ignore[untyped-decorator]
    def backward(  # type: ignore[override]
        ctx: Any, *gradients: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        if ctx.kept is None:
            raise RuntimeError(
                "a layer's first backward has overwritten what it was computed from: go forward "
                "again before a second backward"
            )
        inputs, first_BH, outputs_TBH, weight_ih_GI, weight_hh_GH = ctx.saved_tensors
        (loan, gates_TBG, cells_TBH), ctx.kept = ctx.kept, None
        dtype, (_, streams, units) = outputs_TBH.dtype, outputs_TBH.shape
        to_outputs_TBH, to_hidden_BH, to_cell_BH = (
            torch.zeros(like.shape) if gradient is None else gradient
            for gradient, like in zip(gradients, (outputs_TBH, first_BH, first_BH), strict=True)
        )
        to_hidden_BH = to_hidden_BH.to(dtype, copy=True).contiguous()
        to_cell_BH = to_cell_BH.clone(memory_format=torch.contiguous_format)
        to_gates_TBG = gates_TBG
        if dtype != torch.float32:
            to_gates_TBG = loan.take(tuple(gates_TBG.shape), dtype)
        _backward_through_time(
            (to_outputs_TBH.to(dtype).contiguous(), to_hidden_BH, to_cell_BH),
            weight_hh_GH,
            gates_TBG,
            cells_TBH,
            to_gates_TBG,
        )
        to_gates_NG = to_gates_TBG.view(-1, 4 * units)
        to_hh_GH = multiply(to_gates_TBG[0].t(), first_BH).float()
        to_hh_GH += multiply(to_gates_NG[streams:].t(), outputs_TBH[:-1].flatten(0, 1))
        to_ih_GI, to_bias_G = _input_gradients(inputs, to_gates_NG, weight_ih_GI.shape[1])
        to_inputs = None
        if ctx.needs_input_grad[1]:
            to_inputs = multiply(to_gates_NG, weight_ih_GI.to(dtype)).view(inputs.shape)
        loan.end()
        to_state = to_hidden_BH.float(), to_cell_BH
        return None, to_inputs, *to_state, to_ih_GI, to_hh_GH, to_bias_G, to_bias_G.clone()


def _forward_through_time(
    inputs: Tensor,
    first_BH: Tensor,
    weights: LayerWeights,
    gates_TBG: Tensor,
    cells_TBH: Tensor,
    outputs_TBH: Tensor,
) -> None:
    """Write the activations, the cells after the first and the outputs of all steps."""
    length, streams, rows = gates_TBG.shape
    dtype, scratch = first_BH.dtype, Loan()
    if inputs.is_floating_point():
        # The inputs' shares of the gates: the activations overwrite them where they can.
        shares_TBG = gates_TBG
        if dtype != torch.float32:
            shares_TBG = scratch.take(tuple(gates_TBG.shape), dtype)
        shares_NG = shares_TBG.view(-1, rows)
        multiply(inputs.flatten(0, 1), weights.weight_ih_GI.to(dtype).t(), shares_NG)
        places_TB = torch.arange(length * streams).view(length, streams)
    else:
        shares_NG, places_TB = weights.weight_ih_GI.t().contiguous(), inputs.contiguous()
    product = packed(weights.weight_hh_GH.to(dtype), largest_share(streams))
    shares, bias = as_array(shares_NG), as_array(weights.bias_ih_G + weights.bias_hh_G)
    places, activations = as_array(places_TB), as_array(gates_TBG)
    cells, outputs = as_array(cells_TBH), as_array(outputs_TBH)

    def run(some: slice) -> None:
        before_BH = first_BH[some]
        for t, output_BH in enumerate(outputs_TBH[:, some].unbind(0)):
            gates.forward(
                places[t, some],
                shares,
                bias,
                as_array(product(before_BH)),
                activations[t, some],
                cells[t, some],
                cells[t + 1, some],
                outputs[t, some],
            )
            before_BH = output_BH

    deal_out(run, streams)
    scratch.end()


def _backward_through_time(
    gradients: tuple[Tensor, Tensor, Tensor],
    weight_hh_GH: Tensor,
    gates_TBG: Tensor,
    cells_TBH: Tensor,
    to_gates_TBG: Tensor,
) -> None:
    """Write the gradients before the activations, and those of the first state.

    `gradients` are those of the outputs (T, B, H), of the last hidden state and of the last cell
    (B, H); the first state's take the place of the last's.
    """
    length, streams, _ = gates_TBG.shape
    to_outputs_TBH, to_hidden_BH, to_cell_BH = gradients
    product = packed(weight_hh_GH.t().to(to_hidden_BH.dtype), largest_share(streams))
    to_outputs, to_cell = as_array(to_outputs_TBH), as_array(to_cell_BH)
    activations, cells, to_gates = as_array(gates_TBG), as_array(cells_TBH), as_array(to_gates_TBG)

    def run(some: slice) -> None:
        from_next_BH = to_hidden_BH[some]
        for t in reversed(range(length)):
            gates.backward(
                to_outputs[t, some],
                as_array(from_next_BH),
                activations[t, some],
                cells[t, some],
                cells[t + 1, some],
                to_cell[some],
                to_gates[t, some],
            )
            from_next_BH = product(to_gates_TBG[t, some])
        to_hidden_BH[some] = from_next_BH

    deal_out(run, streams)


def _input_gradients(inputs: Tensor, to_gates_NG: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Return the gradients of the input weights (G, I or V) and of a bias (G), in float32."""
    if inputs.is_floating_point():
        to_weight_GI = multiply(to_gates_NG.t(), inputs.flatten(0, 1)).float()
        return to_weight_GI, to_gates_NG.sum(0, dtype=torch.float32)
    to_weight_VG = torch.zeros(width, to_gates_NG.shape[1])
    gates.add_rows(as_array(inputs.flatten()), as_array(to_gates_NG), as_array(to_weight_VG))
    return to_weight_VG.t(), to_weight_VG.sum(0)
