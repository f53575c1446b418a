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

_COUNTER = 32  # numbers from one counter to the next: 128 bytes, so that they share no line
_WIDE = (
    64  # streams from which on a warp works on two tiles of 16: each weight is read half as often
)
_MOST_WARPS = 8


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How the kernels are cut for one size of network: what they are compiled for."""

    layers: int
    hidden: int
    streams: int
    dtype: torch.dtype
    """Of vectors and weights: bfloat16 or float16."""

    @property
    def units(self) -> int:
        """Units of a block; 0 where the layers cannot be cut so."""
        return 16 if self.hidden % 64 == 0 else 8 if self.hidden % 32 == 0 else 0

    @property
    def tiles(self) -> int:
        """Tiles of 16 streams that a warp works on at one time."""
        return 1 if self.streams <= _WIDE else 2

    @property
    def threads(self) -> int:
        """Threads of a block."""
        return 32 * min(_MOST_WARPS, -(-self.streams // (16 * self.tiles)))

    @property
    def blocks(self) -> int:
        """Blocks, which must all run at one time."""
        return self.layers * self.hidden // self.units

    @property
    def shared_bytes(self) -> int:
        """Shared memory of a block: its slices of the recurrent and of the input weights."""
        return 2 * 4 * self.units * self.hidden * self.dtype.itemsize

    def definitions(self) -> dict[str, int]:
        """Return the macros that the source is compiled with."""
        return {
            "HIDDEN": self.hidden,
            "UNITS": self.units,
            "TILES": self.tiles,
            "THREADS": self.threads,
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
        hidden_LTBH = _with_first(hidden_LBH.to(dtype), steps)
        cell_LTBH = _with_first(cell_LBH.float(), steps)
        kept = any(ctx.needs_input_grad)
        gates_LTBG = cell_LTBH.new_empty(number, steps, streams, 4 * units) if kept else None
        given_MTBH = None
        if between_MBH is not None:
            given_MTBH = hidden_LTBH.new_empty(number - 1, steps, streams, units)
        launch(
            "forward",
            plan,
            (
                x_TB,
                *_forward_weights(layers, dtype),
                between_MBH,
                hidden_LTBH,
                given_MTBH,
                cell_LTBH,
                gates_LTBG,
                _counters(plan, x_TB.device),
                number,
                steps,
                streams,
            ),
        )
        ctx.save_for_backward(
            x_TB, between_MBH, hidden_LTBH, given_MTBH, cell_LTBH, gates_LTBG, *weights
        )
        ctx.launch, ctx.plan = launch, plan
        ctx.set_materialize_grads(False)
        # Copies: who keeps a state, or the outputs, does not keep what all layers wrote.
        return hidden_LTBH[-1, 1:].clone(), hidden_LTBH[:, -1].float(), cell_LTBH[:, -1].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        x_TB, between_MBH, hidden_LTBH, given_MTBH, cell_LTBH, gates_LTBG, *weights = (
            ctx.saved_tensors
        )
        plan: Plan = ctx.plan
        layers = [LayerWeights(*weights[at : at + 4]) for at in range(0, len(weights), 4)]
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
        to_gates_LTBG = torch.empty_like(gates_LTBG, dtype=plan.dtype)
        ctx.launch(
            "backward",
            plan,
            (
                torch.stack([each.weight_hh_GH.t().to(plan.dtype) for each in layers]),
                _stacked([each.weight_ih_GI.t().to(plan.dtype) for each in layers[1:]]),
                between_MBH,
                gates_LTBG,
                cell_LTBH,
                to_outputs_TBH.to(plan.dtype).contiguous(),
                to_hidden_LBH,
                to_cell_LBH,
                to_gates_LTBG,
                cell_LTBH.new_empty(plan.layers, plan.streams, 4, plan.hidden),
                _counters(plan, x_TB.device),
                plan.layers,
                len(x_TB),
                plan.streams,
            ),
        )
        to_hidden = None
        if ctx.needs_input_grad[4]:
            first = zip(to_gates_LTBG[:, 0], layers, strict=True)
            to_hidden = torch.stack(
                [to_gates_BG @ each.weight_hh_GH.to(plan.dtype) for to_gates_BG, each in first]
            ).float()
        inputs = hidden_LTBH[:-1, 1:] if given_MTBH is None else given_MTBH
        to_weights = _weight_gradients(to_gates_LTBG, x_TB, hidden_LTBH[:, :-1], inputs, layers)
        return None, None, None, None, to_hidden, to_cell_LBH, *to_weights


def _forward_weights(
    layers: Sequence[LayerWeights], dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Return the weights as the forward kernel reads them.

    These are the first layer's inputs with its bias (V, G), the biases (L, G), the recurrent
    weights (L, G, H) and the input weights of the other layers (M, G, H).
    """
    bias_LG = torch.stack([each.bias_ih_G + each.bias_hh_G for each in layers]).float()
    table_VG = layers[0].weight_ih_GI.t().float() + bias_LG[0]
    recurrent_LGH = torch.stack([each.weight_hh_GH.to(dtype) for each in layers])
    between_MGH = _stacked([each.weight_ih_GI.to(dtype) for each in layers[1:]])
    return table_VG.contiguous(), bias_LG, recurrent_LGH, between_MGH


def _weight_gradients(
    to_gates_LTBG: Tensor,
    x_TB: Tensor,
    before_LTBH: Tensor,
    inputs_MTBH: Tensor,
    layers: Sequence[LayerWeights],
) -> list[Tensor]:
    """Return the gradients of all layers' weights, in their order, in float32."""
    characters, dtype = layers[0].weight_ih_GI.shape[1], to_gates_LTBG.dtype
    to_bias_LG = to_gates_LTBG.sum((1, 2), dtype=torch.float32)
    gradients = []
    for layer, to_gates_TBG in enumerate(to_gates_LTBG):
        to_gates_GN = to_gates_TBG.flatten(0, 1).t()
        if layer == 0:
            inputs_NI = one_hot(x_TB.flatten(), characters).to(dtype)
        else:
            inputs_NI = inputs_MTBH[layer - 1].flatten(0, 1)
        gradients += [
            (to_gates_GN @ inputs_NI).float(),
            (to_gates_GN @ before_LTBH[layer].flatten(0, 1)).float(),
            to_bias_LG[layer],
            to_bias_LG[layer].clone(),
        ]
    return gradients


def _with_first(first_LBH: Tensor, steps: int) -> Tensor:
    """Return room for a first state and that after each step (L, T + 1, B, H)."""
    layers, *rest = first_LBH.shape
    room = first_LBH.new_empty(layers, steps + 1, *rest)
    room[:, 0] = first_LBH
    return room


def _stacked(weights: list[Tensor]) -> Tensor | None:
    return torch.stack(weights) if weights else None


def _counters(plan: Plan, device: torch.device) -> Tensor:
    """Return what the blocks meet at: a counter of all, and one of each group of four."""
    return torch.zeros((1 + plan.blocks // 4) * _COUNTER, dtype=torch.int32, device=device)
