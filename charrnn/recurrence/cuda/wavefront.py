"""All layers of an LSTM as one function with its backward: what surrounds the kernels' loop.

The kernels go through time; who launches them is given from outside. Here is what they read and
write, and what does not depend on time: the gradients of the weights, of the biases and of the
first state, each one product over all steps.

Shape suffixes: T steps, B streams, V characters, H units, L layers, M layers but one, G gate rows
(4H), N = T * B.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import one_hot

from charrnn.recurrence.layer import LayerState, LayerWeights

_MAX_WARPS = 8  # of a block
_MAX_GROUPS = 4  # warps that share out the streams, so that two share out each product
_TILE = 16  # streams of a tile: the rows of one matrix instruction
_ONE_TILE_STREAMS = 32  # up to which a warp has one tile; two read the weights half as often
_STRETCH = 32  # inputs that a warp reads at a time
_EMPTY = -1  # a 16-bit pattern that no conversion gives: see slice.cu


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How the kernels divide one size of network: what they are compiled for."""

    layers: int
    hidden: int
    streams: int
    dtype: torch.dtype
    """Of vectors and weights: bfloat16 or float16."""

    @property
    def units(self) -> int:
        """Units of a block; 0 where the layers cannot be divided so."""
        return 16 if self.hidden % 64 == 0 else 8 if self.hidden % 32 == 0 else 0

    @property
    def tiles(self) -> int:
        """Tiles of 16 streams of a warp."""
        return 1 if self.streams <= _ONE_TILE_STREAMS else 2

    @property
    def groups(self) -> int:
        """Warps that share out the streams."""
        return min(_MAX_GROUPS, -(-self.streams // (_TILE * self.tiles)))

    @property
    def splits(self) -> int:
        """Warps that share out the inputs of a product."""
        return max(1, min(_MAX_WARPS // self.groups, self.hidden // _STRETCH))

    @property
    def threads(self) -> int:
        """Threads of a block."""
        return 32 * self.groups * self.splits

    @property
    def blocks(self) -> int:
        """Blocks, which must all run at the same time."""
        return self.layers * self.hidden // self.units

    @property
    def shared_bytes(self) -> int:
        """Shared memory of a block: its slices of both weight matrices, and partial sums."""
        columns = 4 * self.units
        weights = 2 * columns * self.hidden * self.dtype.itemsize
        return weights + self.groups * self.splits * _TILE * columns * torch.float32.itemsize

    def definitions(self) -> dict[str, int]:
        """Return the macros that the source is compiled with."""
        return {
            "HIDDEN": self.hidden,
            "UNITS": self.units,
            "STREAMS": self.streams,
            "TILES": self.tiles,
            "GROUPS": self.groups,
            "SPLITS": self.splits,
            "FLOAT16": int(self.dtype == torch.float16),
        }


class Launch(Protocol):
    """Runs a kernel, `forward` or `backward`, on the fields of its argument, in their order."""

    def __call__(self, kernel: str, plan: Plan, fields: Sequence[Tensor | int | None]) -> None:
        """Start it behind what was started before, with addresses in the tensors' place."""


def addresses(fields: Sequence[Tensor | int | None]) -> list[int]:
    """Return the fields as the kernels take them, each in 64 bits: None is 0."""
    return [each.data_ptr() if isinstance(each, Tensor) else each or 0 for each in fields]


def run_layers(
    launch: Launch,
    dtype: torch.dtype,
    x_TB: Tensor,
    parts_LBH: LayerState,
    layers: Sequence[LayerWeights],
    between_MBH: Tensor | None,
) -> tuple[Tensor, LayerState]:
    """Return the last layer's outputs (T, B, H), in `dtype`, and the state (L, B, H), in float32.

    `between_MBH` are factors of what each layer but the last gives to the next.
    """
    weights = [each for layer in layers for each in layer]
    outputs_TBH, *last = _Layers.apply(  # type: ignore[no-untyped-call]
        launch, dtype, x_TB, between_MBH, *parts_LBH, *weights
    )
    return outputs_TBH, tuple(last)


class _Layers(torch.autograd.Function):
    """Outputs and last state of all layers, as a function of the first state and the weights."""

    @staticmethod
    def forward(
        ctx: Any,
        launch: Launch,
        dtype: torch.dtype,
        x_TB: Tensor,
        between_MBH: Tensor | None,
        hidden_LBH: Tensor,
        cell_LBH: Tensor,
        *weights: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        layers = [LayerWeights(*weights[at : at + 4]) for at in range(0, len(weights), 4)]
        steps, (number, streams, units) = len(x_TB), hidden_LBH.shape
        plan = Plan(layers=number, hidden=units, streams=streams, dtype=dtype)
        x_TB = x_TB.long().contiguous()
        if between_MBH is not None:
            between_MBH = between_MBH.float().contiguous()
        hidden_LTBH = _empty((number, steps + 1, streams, units), dtype, x_TB.device)
        cell_LTBH = cell_LBH.new_empty(hidden_LTBH.shape, dtype=torch.float32)
        hidden_LTBH[:, 0], cell_LTBH[:, 0] = hidden_LBH, cell_LBH
        gates_LTBG = None
        if any(ctx.needs_input_grad):
            gates_LTBG = cell_LTBH.new_empty(number, steps, streams, 4 * units)
        inputs_MTBH = None
        if between_MBH is not None:
            inputs_MTBH = _empty((number - 1, steps, streams, units), dtype, x_TB.device)
        table_VG, bias_LG, weight_hh_LGH, weight_ih_MGH = _kernel_weights(layers, dtype)
        written = hidden_LTBH, inputs_MTBH, cell_LTBH, gates_LTBG
        weights_read = table_VG, bias_LG, weight_hh_LGH, weight_ih_MGH
        launch("forward", plan, (x_TB, *weights_read, between_MBH, *written, number, steps))
        ctx.save_for_backward(x_TB, weight_hh_LGH, weight_ih_MGH, between_MBH, *written)
        ctx.launch, ctx.plan, ctx.characters = launch, plan, len(table_VG)
        ctx.set_materialize_grads(False)
        # Copies: who keeps a state, or the outputs, does not keep what all layers wrote.
        return hidden_LTBH[-1, 1:].clone(), hidden_LTBH[:, -1].float(), cell_LTBH[:, -1].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        x_TB, weight_hh_LGH, weight_ih_MGH, between_MBH, *saved = ctx.saved_tensors
        hidden_LTBH, inputs_MTBH, cell_LTBH, gates_LTBG = saved
        plan: Plan = ctx.plan
        to_outputs_TBH, to_hidden_LBH, to_cell_LBH = gradients
        if to_outputs_TBH is None:
            to_outputs_TBH = torch.zeros_like(hidden_LTBH[-1, 1:])
        if to_hidden_LBH is not None:
            to_hidden_LBH = to_hidden_LBH.float().contiguous()
        to_cell_LBH = (
            torch.zeros_like(cell_LTBH[:, 0])
            if to_cell_LBH is None
            else to_cell_LBH.to(torch.float32, copy=True)
        ).contiguous()
        to_gates_LTBG = _empty(tuple(gates_LTBG.shape), plan.dtype, gates_LTBG.device)
        ctx.launch(
            "backward",
            plan,
            (
                weight_hh_LGH,
                weight_ih_MGH,
                between_MBH,
                gates_LTBG,
                cell_LTBH,
                to_outputs_TBH.to(plan.dtype).contiguous(),
                to_hidden_LBH,
                to_cell_LBH,
                to_gates_LTBG,
                cell_LTBH.new_zeros(plan.layers, plan.streams, 4, plan.hidden),
                plan.layers,
                len(x_TB),
            ),
        )
        to_hidden_LBH = None
        if ctx.needs_input_grad[4]:
            to_hidden_LBH = _matmul(to_gates_LTBG[:, 0], weight_hh_LGH)
        inputs_MTBH = hidden_LTBH[:-1, 1:] if inputs_MTBH is None else inputs_MTBH
        to_weights = _weight_gradients(
            to_gates_LTBG, x_TB, hidden_LTBH[:, :-1], inputs_MTBH, ctx.characters
        )
        return None, None, None, None, to_hidden_LBH, to_cell_LBH, *to_weights


def _kernel_weights(
    layers: Sequence[LayerWeights], dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Return the weights as the kernels read them.

    These are the first layer's input weights with the biases added (V, G), the biases (L, G), the
    recurrent weights (L, G, H) and the input weights of the other layers (M, G, H).
    """
    bias_LG = torch.stack([layer.bias_ih_G + layer.bias_hh_G for layer in layers]).float()
    table_VG = (layers[0].weight_ih_GI.t().float() + bias_LG[0]).contiguous()
    weight_hh_LGH = _stack([layer.weight_hh_GH for layer in layers], dtype)
    weight_ih_MGH = None
    if layers[1:]:
        weight_ih_MGH = _stack([layer.weight_ih_GI for layer in layers[1:]], dtype)
    return table_VG, bias_LG, weight_hh_LGH, weight_ih_MGH


def _weight_gradients(
    to_gates_LTBG: Tensor,
    x_TB: Tensor,
    before_LTBH: Tensor,
    inputs_MTBH: Tensor,
    characters: int,
) -> list[Tensor]:
    """Return the gradients of all layers' weights, in their order, in float32."""
    to_bias_LG = to_gates_LTBG.sum((1, 2), dtype=torch.float32)
    to_gates_LGN = to_gates_LTBG.flatten(1, 2).transpose(1, 2)
    one_hot_NV = one_hot(x_TB.flatten(), characters).to(to_gates_LTBG.dtype)
    to_first_GV = _matmul(to_gates_LGN[:1], one_hot_NV[None])[0]
    to_inputs_MGH = _matmul(to_gates_LGN[1:], inputs_MTBH.flatten(1, 2))
    to_recurrent_LGH = _matmul(to_gates_LGN, before_LTBH.flatten(1, 2))
    gradients = []
    for layer, to_bias_G in enumerate(to_bias_LG):
        to_inputs_GI = to_inputs_MGH[layer - 1] if layer else to_first_GV
        gradients += [to_inputs_GI, to_recurrent_LGH[layer], to_bias_G, to_bias_G.clone()]
    return gradients


def _matmul(left: Tensor, right: Tensor) -> Tensor:
    """Return batched products of 16-bit matrices in float32, which only CUDA does not round."""
    if left.is_cuda:
        return torch.bmm(left, right, out_dtype=torch.float32)
    return (left @ right).float()


def _empty(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return memory in which the kernels wait for numbers that other blocks write."""
    return torch.full(shape, _EMPTY, dtype=torch.int16, device=device).view(dtype)


def _stack(weights: list[Tensor], dtype: torch.dtype) -> Tensor:
    """Return matrices of one shape, converted, as one tensor."""
    stacked = torch.empty((len(weights), *weights[0].shape), dtype=dtype, device=weights[0].device)
    for row, weight in zip(stacked, weights, strict=True):
        row.copy_(weight)
    return stacked
