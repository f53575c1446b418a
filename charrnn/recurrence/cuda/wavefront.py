"""All layers of an LSTM as one autograd function around the CUDA kernels.

The kernels run the loop over time; the caller passes the function that launches them. This module
allocates the memory that they read and write. It also computes what does not depend on the previous
step: the gradients of the weights, the biases and the initial state, each as one product over all
steps.

Shape suffixes: T steps, B streams, V characters, H units, L layers, M layers except one (the last
for factors, the first for input weights), G gate rows (4H), N = T * B.
The prefix `grad_` means the gradient of the loss with respect to that tensor.
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
_MAX_GROUPS = 4  # groups of warps that divide the streams; then two warps divide each product
_TILE = 16  # streams of a tile: the rows of one matrix instruction
_ONE_TILE_STREAMS = (
    32  # with more streams, a warp has two tiles and reads the weights half as often
)
_STRETCH = 32  # inputs that a warp reads at a time
_EMPTY = -1  # a 16-bit pattern that no conversion returns: see slice.cu


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A size of network, and how the kernels that are compiled for it divide the work."""

    layers: int
    hidden: int
    streams: int
    dtype: torch.dtype
    """The dtype of vectors and weights: bfloat16 or float16."""

    @property
    def units(self) -> int:
        """Units of a block; 0 if the layers cannot be divided among blocks."""
        return 16 if self.hidden % 64 == 0 else 8 if self.hidden % 32 == 0 else 0

    @property
    def tiles(self) -> int:
        """Tiles of 16 streams that a warp computes."""
        return 1 if self.streams <= _ONE_TILE_STREAMS else 2

    @property
    def groups(self) -> int:
        """Groups of warps; the groups divide the streams."""
        return min(_MAX_GROUPS, -(-self.streams // (_TILE * self.tiles)))

    @property
    def splits(self) -> int:
        """Warps of a group; they divide the inputs of a product."""
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
        """Bytes of shared memory of a block: slices of two weight matrices, and partial sums."""
        columns = 4 * self.units
        weights = 2 * columns * self.hidden * self.dtype.itemsize
        return weights + self.groups * self.splits * _TILE * columns * torch.float32.itemsize

    def definitions(self) -> dict[str, int]:
        """Return the macros with which the source is compiled."""
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
    """Launches a kernel, `forward` or `backward`, with the fields of its argument in order."""

    def __call__(self, kernel: str, plan: Plan, fields: Sequence[Tensor | int | None]) -> None:
        """Launch the kernel on the current stream; a tensor is passed as its address."""


def addresses(fields: Sequence[Tensor | int | None]) -> list[int]:
    """Return the fields as 64-bit integers: a tensor as its address, None as 0."""
    return [field.data_ptr() if isinstance(field, Tensor) else field or 0 for field in fields]


def run_layers(
    launch: Launch,
    dtype: torch.dtype,
    x_TB: Tensor,
    parts_LBH: LayerState,
    layers: Sequence[LayerWeights],
    between_MBH: Tensor | None,
) -> tuple[Tensor, LayerState]:
    """Return the last layer's outputs (T, B, H), in `dtype`, and the state (L, B, H), in float32.

    The outputs of each layer but the last are multiplied by `between_MBH`.
    """
    weights = [weight for layer in layers for weight in layer]
    outputs_TBH, *last = _Layers.apply(  # type: ignore[no-untyped-call]
        launch, dtype, x_TB, between_MBH, *parts_LBH, *weights
    )
    return outputs_TBH, tuple(last)


class _Layers(torch.autograd.Function):
    """The outputs and the last state of all layers as a function of initial state and weights."""

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
        layers = [LayerWeights(*weights[n : n + 4]) for n in range(0, len(weights), 4)]
        steps, (num_layers, streams, units) = len(x_TB), hidden_LBH.shape
        plan = Plan(layers=num_layers, hidden=units, streams=streams, dtype=dtype)
        x_TB = x_TB.long().contiguous()
        if between_MBH is not None:
            between_MBH = between_MBH.float().contiguous()
        hidden_LTBH = _empty((num_layers, steps + 1, streams, units), dtype, x_TB.device)
        cell_LTBH = cell_LBH.new_empty(hidden_LTBH.shape, dtype=torch.float32)
        hidden_LTBH[:, 0], cell_LTBH[:, 0] = hidden_LBH, cell_LBH
        gates_LTBG = None
        if any(ctx.needs_input_grad):
            gates_LTBG = cell_LTBH.new_empty(num_layers, steps, streams, 4 * units)
        inputs_MTBH = None
        if between_MBH is not None:
            inputs_MTBH = _empty((num_layers - 1, steps, streams, units), dtype, x_TB.device)
        kernel_weights = _kernel_weights(layers, dtype)
        table_VG, _, weight_hh_LGH, weight_ih_MGH = kernel_weights
        results = hidden_LTBH, inputs_MTBH, cell_LTBH, gates_LTBG
        launch("forward", plan, (x_TB, *kernel_weights, between_MBH, *results, num_layers, steps))
        ctx.save_for_backward(x_TB, weight_hh_LGH, weight_ih_MGH, between_MBH, *results)
        ctx.launch, ctx.plan, ctx.characters = launch, plan, len(table_VG)
        ctx.set_materialize_grads(False)
        # Copies, so that stored results keep no reference to the memory of all layers.
        return hidden_LTBH[-1, 1:].clone(), hidden_LTBH[:, -1].float(), cell_LTBH[:, -1].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        x_TB, weight_hh_LGH, weight_ih_MGH, between_MBH, *saved = ctx.saved_tensors
        hidden_LTBH, inputs_MTBH, cell_LTBH, gates_LTBG = saved
        plan: Plan = ctx.plan
        grad_outputs_TBH, grad_hidden_LBH, grad_cell_LBH = gradients
        if grad_outputs_TBH is None:
            grad_outputs_TBH = torch.zeros_like(hidden_LTBH[-1, 1:])
        if grad_hidden_LBH is not None:
            grad_hidden_LBH = grad_hidden_LBH.float().contiguous()
        grad_cell_LBH = (
            torch.zeros_like(cell_LTBH[:, 0])
            if grad_cell_LBH is None
            else grad_cell_LBH.to(torch.float32, copy=True)
        ).contiguous()
        grad_gates_LTBG = _empty(tuple(gates_LTBG.shape), plan.dtype, gates_LTBG.device)
        ctx.launch(
            "backward",
            plan,
            (
                weight_hh_LGH,
                weight_ih_MGH,
                between_MBH,
                gates_LTBG,
                cell_LTBH,
                grad_outputs_TBH.to(plan.dtype).contiguous(),
                grad_hidden_LBH,
                grad_cell_LBH,
                grad_gates_LTBG,
                cell_LTBH.new_zeros(plan.layers, plan.streams, 4, plan.hidden),
                plan.layers,
                len(x_TB),
            ),
        )
        grad_hidden_LBH = None
        if ctx.needs_input_grad[4]:
            grad_hidden_LBH = _matmul(grad_gates_LTBG[:, 0], weight_hh_LGH)
        inputs_MTBH = hidden_LTBH[:-1, 1:] if inputs_MTBH is None else inputs_MTBH
        grad_weights = _weight_gradients(
            grad_gates_LTBG, x_TB, hidden_LTBH[:, :-1], inputs_MTBH, ctx.characters
        )
        return None, None, None, None, grad_hidden_LBH, grad_cell_LBH, *grad_weights


def _kernel_weights(
    layers: Sequence[LayerWeights], dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Return the weights in the layout of the kernels.

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
    grad_gates_LTBG: Tensor,
    x_TB: Tensor,
    previous_LTBH: Tensor,
    inputs_MTBH: Tensor,
    characters: int,
) -> list[Tensor]:
    """Return the gradients of the weights of all layers, in the order of the arguments."""
    grad_bias_LG = grad_gates_LTBG.sum((1, 2), dtype=torch.float32)
    grad_gates_LGN = grad_gates_LTBG.flatten(1, 2).transpose(1, 2)
    one_hot_NV = one_hot(x_TB.flatten(), characters).to(grad_gates_LTBG.dtype)
    grad_ih_GV = _matmul(grad_gates_LGN[:1], one_hot_NV[None])[0]
    grad_ih_MGH = _matmul(grad_gates_LGN[1:], inputs_MTBH.flatten(1, 2))
    grad_hh_LGH = _matmul(grad_gates_LGN, previous_LTBH.flatten(1, 2))
    gradients = []
    for layer, grad_bias_G in enumerate(grad_bias_LG):
        grad_ih_GI = grad_ih_MGH[layer - 1] if layer else grad_ih_GV
        gradients += [grad_ih_GI, grad_hh_LGH[layer], grad_bias_G, grad_bias_G.clone()]
    return gradients


def _matmul(left: Tensor, right: Tensor) -> Tensor:
    """Return batched products of 16-bit matrices in float32. CPUs round them to 16 bits first."""
    if left.is_cuda:
        return torch.bmm(left, right, out_dtype=torch.float32)
    return (left @ right).float()


def _empty(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return memory that is filled with EMPTY words; see slice.cu."""
    return torch.full(shape, _EMPTY, dtype=torch.int16, device=device).view(dtype)


def _stack(weights: list[Tensor], dtype: torch.dtype) -> Tensor:
    """Convert matrices of the same shape, and stack them."""
    stacked = torch.empty((len(weights), *weights[0].shape), dtype=dtype, device=weights[0].device)
    for row, weight in zip(stacked, weights, strict=True):
        row.copy_(weight)
    return stacked
