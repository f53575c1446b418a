"""The loss of a training step, its gradients, and the state after the step.

On a CPU, each thread computes the forward and the backward pass of a part of the streams. The
threads synchronize once per step, so a thread that has to share its core with other programs delays
the others once, not in each product.

Shape suffixes: T steps, B streams, V characters of the vocabulary, N = T * B of a part.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from charrnn.model.dropout import NO_MASKS, Masks
from charrnn.model.loss import cross_entropy_loss, distillation_loss
from charrnn.model.network import CharRNN
from charrnn.model.state import State
from charrnn.numerics.precision import autocast
from charrnn.numerics.threads import count_parts, map_streams
from charrnn.recurrence.layer import LayerWeights


class _Losses(NamedTuple):
    """The share of a part of the streams in the mean losses, and the state after it."""

    minimized: Tensor
    reported: Tensor
    """In nats per character; without teachers, the same."""
    state: State


PartialLoss = Callable[[slice, Sequence[LayerWeights]], _Losses]


class _Part(NamedTuple):
    """The result of a part of the streams: its share of the mean loss and of the gradients."""

    loss: Tensor
    gradients: Sequence[Tensor]
    state: State


def compute_gradients(
    model: CharRNN,
    window_TB: Tensor,
    state: State,
    masks: Masks = NO_MASKS,
    *,
    precision: str = "float32",
    temperature: float = 1.0,
    teacher_TBV: Tensor | None = None,
    num_targets: float | None = None,
) -> tuple[Tensor, State]:
    """Set the gradients of all parameters; return the mean loss and the state after the window.

    `window_TB` has T + 1 rows: the model reads all but the last and predicts all but the first,
    except `PADDING`. The sum of the losses is divided by `num_targets`, by default the number of
    rows to predict times that of streams. The logits are divided by `temperature`. With
    `teacher_TBV`, the gradients are those of `distillation_loss`.
    """
    x_TB, targets_TB = split_window(window_TB)
    streams, total = x_TB.shape[1], num_targets or targets_TB.numel()

    def loss_of(part: slice, layers: Sequence[LayerWeights] | None = None) -> _Losses:
        with autocast(model.device, precision):
            logits_TBV, new_state = model(
                x_TB[:, part], state.select_streams(part), masks.select_streams(part), layers
            )
        logits_NV, targets_N = logits_TBV.flatten(0, 1), targets_TB[:, part].flatten()
        if teacher_TBV is None:
            loss = cross_entropy_loss(logits_NV, targets_N, temperature, total)
            return _Losses(loss, loss.detach(), new_state.detach())
        teacher_NV = teacher_TBV[:, part].flatten(0, 1)
        losses = distillation_loss(logits_NV, targets_N, teacher_NV, temperature, total)
        return _Losses(*losses, new_state.detach())

    if model.device.type == "cpu" and count_parts(streams) > 1:
        return _compute_in_threads(model, loss_of, streams, masks)
    loss, reported, new_state = loss_of(slice(0, streams))
    scale = _loss_scale(total) if precision == "float16" else 1
    (loss * scale if scale > 1 else loss).backward()  # type: ignore[no-untyped-call]
    if scale > 1:
        gradients = [parameter.grad for parameter in model.parameters()]
        torch._foreach_div_([gradient for gradient in gradients if gradient is not None], scale)
    return reported, new_state


def split_window(window_TB: Tensor) -> tuple[Tensor, Tensor]:
    """Return the codes to read, with any code for padding, and the codes to predict."""
    return window_TB[:-1].clamp_min(0), window_TB[1:]


def _compute_in_threads(
    model: CharRNN, loss_of: PartialLoss, streams: int, masks: Masks
) -> tuple[Tensor, State]:
    """Call `loss_of` for parts of the streams in threads; see `compute_gradients`."""
    # Dropout of weights and its gradient are computed once, not for each part.
    layers = model.masked_layers(masks)
    detached = [
        LayerWeights(*(weight.detach().requires_grad_() for weight in layer)) for layer in layers
    ]
    output = list(model.output.parameters())
    inputs = [*itertools.chain(*detached), *output]

    def compute(part: slice) -> _Part:
        loss, reported, state = loss_of(part, detached)
        return _Part(reported, torch.autograd.grad(loss, inputs), state)

    parts = map_streams(compute, streams)
    total = list(parts[0].gradients)
    for part in parts[1:]:
        torch._foreach_add_(total, list(part.gradients))
    _set_gradients([*itertools.chain(*layers), *output], total)
    loss = torch.stack([part.loss for part in parts]).sum()
    return loss, State.join([part.state for part in parts])


def _set_gradients(weights: Sequence[Tensor], gradients: Sequence[Tensor]) -> None:
    """Set the gradients of parameters, some of which are given with dropout applied."""
    dropped, gradients_of_dropped = [], []
    for weight, gradient in zip(weights, gradients, strict=True):
        if weight.is_leaf:
            weight.grad = gradient.contiguous()  # the fused optimizer ignores strides
        else:
            dropped.append(weight)
            gradients_of_dropped.append(gradient)
    torch.autograd.backward(dropped, gradients_of_dropped)


def _loss_scale(characters: float) -> int:
    """Return the loss scale for float16, which keeps small gradients from being rounded to zero.

    It is a power of two that makes the mean loss about as large as the sum of losses. The gradient
    of the logits of one character is then at most 1, where float16 is precise (Micikevicius et al.,
    2018).
    """
    scale: int = 1 << (math.ceil(characters) - 1).bit_length()
    return scale
