"""Measure how weights that are small enough for the second-level cache change the loss of a model.

    python benchmarks/sampling_small_weights.py TEXT [RUN]

Replaces the weights of the recurrent layers, except the table of the first layer, with weights in 8
bits (a scale per row) and in 4 bits (a scale per group of a row), or removes the smallest blocks of
8 weights in a row. The scales of "least squares" have the smallest squared error of the weights.
"GPTQ" (Frantar et al., 2022) also corrects each rounding error with the weights that are rounded
later; it reads text that the model generates. Prints the change in bits per character on a text
that the model was not trained on, its standard error, and the size of the weights.

Shape suffixes: T steps, B streams, R rows, K columns, J columns of a group.
"""

import math
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from charrnn.model.loading import load
from charrnn.model.network import CharRNN
from charrnn.runs.find import BUNDLED
from charrnn.sampling.loop import generate

STREAMS, STEPS = 64, 600
BLOCK = 8  # columns that pruning removes together
Rounding = Callable[[Tensor, Tensor], Tensor]
"""Converts weights (R, K), given the second moments (K, K) of their inputs."""


def to_8_bits(weight_RK: Tensor, _: Tensor) -> Tensor:
    """Round each row to multiples of its largest absolute weight / 127."""
    scale_R1 = weight_RK.abs().amax(1, keepdim=True) / 127
    return (weight_RK / scale_R1).round() * scale_R1


def group_scale(weight_RJ: Tensor, *, least_squares: bool) -> Tensor:
    """Return the scale of each row (R, 1) for 15 levels from -7 to 7."""
    scale_R1 = weight_RJ.abs().amax(1, keepdim=True).clamp_min(1e-12) / 7
    if not least_squares:
        return scale_R1
    candidates = torch.stack([scale_R1 * factor / 20 for factor in range(10, 21)])
    rounded = (weight_RJ / candidates).round().clamp(-7, 7) * candidates
    best = (rounded - weight_RJ).square().sum(2).argmin(0)
    return candidates[:, :, 0].gather(0, best[None])[0][:, None]


def to_4_bits(group: int, *, least_squares: bool) -> Rounding:
    """Return the function that rounds each group of a row to 15 levels."""

    def convert(weight_RK: Tensor, _: Tensor) -> Tensor:
        weight_NJ = weight_RK.reshape(-1, group)
        scale_N1 = group_scale(weight_NJ, least_squares=least_squares)
        return ((weight_NJ / scale_N1).round().clamp(-7, 7) * scale_N1).view_as(weight_RK)

    return convert


def gptq(group: int) -> Rounding:
    """Return the function that rounds column by column and corrects the later columns."""

    def convert(weight_RK: Tensor, moments_KK: Tensor) -> Tensor:
        weight_RK, columns = weight_RK.double().clone(), weight_RK.shape[1]
        damping = 0.01 * moments_KK.diagonal().mean() * torch.eye(columns, dtype=torch.float64)
        inverse_KK = torch.linalg.inv(moments_KK + damping)
        upper_KK = torch.linalg.cholesky(inverse_KK, upper=True)
        for k in range(columns):
            if k % group == 0:
                scale_R1 = group_scale(weight_RK[:, k : k + group], least_squares=True)
            column_R = weight_RK[:, k].clone()
            weight_RK[:, k] = (column_R / scale_R1[:, 0]).round().clamp(-7, 7) * scale_R1[:, 0]
            error_R = (column_R - weight_RK[:, k]) / upper_KK[k, k]
            weight_RK[:, k + 1 :] -= error_R[:, None] * upper_KK[k, k + 1 :]
        return weight_RK.float()

    return convert


def prune(share: float) -> Rounding:
    """Return the function that sets this share of all blocks, the smallest ones, to 0."""

    def convert(weight_RK: Tensor, _: Tensor) -> Tensor:
        blocks_NJ = weight_RK.reshape(-1, BLOCK)
        norms_N = blocks_NJ.norm(dim=1)
        kept_N = norms_N > norms_N.kthvalue(int(share * len(norms_N))).values
        pruned_RK: Tensor = (blocks_NJ * kept_N[:, None]).view_as(weight_RK)
        return pruned_RK

    return convert


def read_layers(model: CharRNN, codes_TB: Tensor) -> list[Tensor]:
    """Return the hidden units of each layer after each character: (T, B, H)."""
    state, hidden = model.initial_state(codes_TB.shape[1]), []
    for codes_B in codes_TB:
        _, state = model(codes_B[None], state)
        hidden.append(state.parts_LBH[0])
    return list(torch.stack(hidden, dim=1))


def input_moments(model: CharRNN) -> list[tuple[Tensor, Tensor]]:
    """Return the second moments of the inputs and of the hidden units of each layer."""
    texts = generate(model, length=300, num_samples=STREAMS, seed=1, temperature=1.0, min_p=0.0)
    codes = [torch.from_numpy(model.vocabulary.encode(text).astype("int64")) for text in texts]
    moments: list[Tensor] = []
    for hidden_TBH in read_layers(model, torch.stack(codes, dim=1)):
        inputs_NK = hidden_TBH.flatten(0, 1).double()
        moments.append(inputs_NK.t() @ inputs_NK)
    return list(zip([moments[0], *moments[:-1]], moments, strict=True))


def nats(model: CharRNN, codes_TB: Tensor) -> Tensor:
    """Return the loss of each character after the first of each stream."""
    logits_TBV, _ = model(codes_TB[:-1], model.initial_state(codes_TB.shape[1]))
    return torch.nn.functional.cross_entropy(
        logits_TBV.flatten(0, 1), codes_TB[1:].flatten(), reduction="none"
    )


@torch.inference_mode()
def main() -> None:
    """Measure and print."""
    text = Path(sys.argv[1]).read_text(encoding="utf-8")
    model = load(sys.argv[2] if len(sys.argv) > 2 else BUNDLED)
    codes = torch.from_numpy(model.vocabulary.encode(text, "skip").astype("int64"))
    steps = min(STEPS, len(codes) // STREAMS)
    codes_TB = codes[: STREAMS * steps].view(STREAMS, steps).t().contiguous()
    layers = [model.layer_weights(n) for n in range(model.config.num_layers)]
    moments, exact_N = input_moments(model), nats(model, codes_TB)
    print(f"{len(exact_N):,} characters, {exact_N.mean() / math.log(2):.4f} bits per character")
    roundings: dict[str, tuple[Rounding, float]] = {"8 bits": (to_8_bits, 8)}
    for group in (16, 32, 64):
        bits = 4 + 16 / group
        roundings[f"4 bits, groups of {group}"] = to_4_bits(group, least_squares=False), bits
        roundings[f"  least squares, {group}"] = to_4_bits(group, least_squares=True), bits
        roundings[f"  GPTQ, {group}"] = gptq(group), bits
    for share in (0.5, 0.7, 0.9):
        roundings[f"{share:.0%} of blocks removed"] = prune(share), 8 * (1 - share)
    parts = [(layer.weight_hh_GH, own) for layer, (_, own) in zip(layers, moments, strict=True)]
    parts += [
        (layer.weight_ih_GI, below)
        for layer, (below, _) in list(zip(layers, moments, strict=True))[1:]
    ]
    originals = [weight.clone() for weight, _ in parts]
    for name, (rounding, bits) in roundings.items():
        for (weight_RK, moments_KK), original_RK in zip(parts, originals, strict=True):
            weight_RK.copy_(rounding(original_RK, moments_KK))
        change_N = (nats(model, codes_TB) - exact_N) / math.log(2)
        error = change_N.std() / math.sqrt(len(change_N))
        size = sum(weight.numel() for weight in originals) * bits / 8e6
        print(
            f"{name:24} change {change_N.mean():+.4f} (standard error {error:.4f}), {size:.1f} MB"
        )


if __name__ == "__main__":
    main()
