"""The output layer's logits and their loss, also for thousands of characters.

Both may run in several threads at the same time.

Shape suffixes: T steps, B streams, V characters of the vocabulary, H units, N characters.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import cross_entropy, linear

from charrnn.data.document_batches import PADDING
from charrnn.numerics.precision import has_bfloat16

# With so many characters, bfloat16 products and a loss in chunks make a training step faster.
LARGE_VOCABULARY = 512

TEACHER_WEIGHT = 0.9
"""The share of the teachers' probabilities in the distribution that a network learns."""

_CHUNK_SIZE = 1 << 18  # logits: what the processor's cache holds, with two copies


def output_logits(outputs_TBH: Tensor, weight_VH: Tensor, bias_V: Tensor) -> Tensor:
    """Return the logits of the output layer, computed in float32.

    Under `torch.autocast` in bfloat16, the products of a large vocabulary are bfloat16 on a CPU
    with instructions for them. If gradients are recorded, these logits stay bfloat16.
    """
    dtype = result_dtype = weight_VH.dtype
    device = weight_VH.device.type
    if device == "cpu" and len(weight_VH) >= LARGE_VOCABULARY and has_bfloat16():
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else dtype
        result_dtype = dtype if torch.is_grad_enabled() else result_dtype
    with torch.autocast(device, enabled=False):
        weight_VH, bias_V = weight_VH.to(dtype), bias_V.to(dtype)
        return linear(outputs_TBH.to(dtype), weight_VH, bias_V).to(result_dtype)


def cross_entropy_loss(
    logits_NV: Tensor, targets_N: Tensor, temperature: float = 1.0, total: float | None = None
) -> Tensor:
    """Return the sum of the losses in nats, divided by `total`: by default, by their number.

    The loss of a target is that of the logits divided by `temperature`; padding has no loss. On a
    CPU, the logits of a large vocabulary are overwritten, and only one backward pass is possible.
    """
    total = len(targets_N) if total is None else total
    if logits_NV.device.type == "cpu" and logits_NV.shape[1] >= LARGE_VOCABULARY:
        loss: Tensor = _ChunkedLoss.apply(  # type: ignore[no-untyped-call]
            logits_NV, targets_N, temperature, total
        )
        return loss
    logits_NV = logits_NV / temperature
    return cross_entropy(logits_NV, targets_N, ignore_index=PADDING, reduction="sum") / total


def distillation_loss(
    logits_NV: Tensor,
    targets_N: Tensor,
    teacher_NV: Tensor,
    temperature: float = 1.0,
    total: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the loss of a network that learns from teachers too, and `cross_entropy_loss`.

    The first is the cross entropy with a mixture of the target and of the teachers' probabilities
    `teacher_NV` (Hinton et al., 2015, arXiv 1503.02531).
    """
    total = len(targets_N) if total is None else total
    nats_NV = -torch.log_softmax(logits_NV.float() / temperature, 1)
    is_target_N1 = (targets_N != PADDING)[:, None]
    loss = (nats_NV.gather(1, targets_N[:, None].clamp_min(0)) * is_target_N1).sum() / total
    teacher_NV = teacher_NV * is_target_N1
    teacher_loss = (teacher_NV * nats_NV).sum() / total
    return (1 - TEACHER_WEIGHT) * loss + TEACHER_WEIGHT * teacher_loss, loss.detach()


class _ChunkedLoss(torch.autograd.Function):
    """The loss, chunk by chunk of rows that stay in the cache. The gradient replaces the logits."""

    @staticmethod
    @torch.autocast("cpu", enabled=False)  # type: ignore[untyped-decorator]
    def forward(
        ctx: Any, logits_NV: Tensor, targets_N: Tensor, temperature: float, total: float
    ) -> Tensor:
        gradient_NV = ctx.gradient_NV = logits_NV.detach()
        rows = max(1, _CHUNK_SIZE // logits_NV.shape[1])
        nats = []
        for chunk_NV, chunk_N in zip(
            torch.split(gradient_NV, rows), torch.split(targets_N, rows), strict=True
        ):
            values_NV = torch.log_softmax(chunk_NV.float().div_(temperature), 1)
            is_padding_N, known_N = chunk_N == PADDING, chunk_N.clamp_min(0)
            nats_N = values_NV.gather(1, known_N[:, None])[:, 0]
            nats.append(-nats_N.masked_fill(is_padding_N, 0).sum())
            values_NV.exp_()[torch.arange(len(known_N)), known_N] -= 1
            torch.mul(values_NV, 1 / (temperature * total), out=chunk_NV)
            chunk_NV[is_padding_N] = 0
        return torch.stack(nats).sum() / total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_loss: Tensor) -> tuple[Tensor, None, None, None]:
        gradient_NV, ctx.gradient_NV = ctx.gradient_NV, None
        if grad_loss != 1:
            gradient_NV *= grad_loss
        return gradient_NV, None, None, None
