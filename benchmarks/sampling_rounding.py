"""Measure how the rounding of factors in the block engine changes the predictions of a model.

    python benchmarks/sampling_rounding.py TEXT [RUN]

Reads the held-out part of a text (the last tenth) character by character, with the factors of
products in float32, float16 and bfloat16. Prints the change in bits per character, its standard
error, and the Kullback-Leibler divergence from the float32 predictions. The computation runs on a
CPU: products of rounded numbers, added in float32.
"""

import math
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from charrnn.model.loading import load
from charrnn.model.network import CharRNN
from charrnn.runs.find import BUNDLED
from charrnn.sampling.engines.network_step import LstmStep

STREAMS, STEPS = 128, 300
HELD_OUT = 0.1


def log_probabilities(model: CharRNN, codes_TB: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the natural logarithms of the predictions after each character: (T, B, V)."""
    step = LstmStep(model, dtype)
    carried = step.carried(step.allocate(codes_TB.shape[1]))
    predictions = []
    for codes_B in codes_TB:
        logits_BV, carried = step.advance(codes_B, carried)
        predictions.append(torch.log_softmax(logits_BV.double(), dim=1))
    return torch.stack(predictions)


@torch.inference_mode()
def main() -> None:
    """Measure and print."""
    text = Path(sys.argv[1]).read_text(encoding="utf-8")
    model = load(sys.argv[2] if len(sys.argv) > 2 else BUNDLED)
    codes = model.vocabulary.encode(text[-int(len(text) * HELD_OUT) :], "skip").astype(np.int64)
    steps = min(STEPS, len(codes) // STREAMS - 1)
    codes_TB = torch.from_numpy(codes[: STREAMS * (steps + 1)].reshape(STREAMS, -1).T.copy())
    exact_TBV = log_probabilities(model, codes_TB[:-1], torch.float32)
    next_TB1 = codes_TB[1:, :, None]
    loss = -exact_TBV.gather(2, next_TB1).mean().item() / math.log(2)
    print(f"{codes_TB[1:].numel():,} characters, {loss:.4f} bits per character in float32")
    for dtype in (torch.float16, torch.bfloat16):
        rounded_TBV = log_probabilities(model, codes_TB[:-1], dtype)
        change = (exact_TBV - rounded_TBV).gather(2, next_TB1) / math.log(2)
        error = change.std().item() / math.sqrt(change.numel())
        divergence = (exact_TBV.exp() * (exact_TBV - rounded_TBV)).sum(2).mean() / math.log(2)
        print(
            f"{str(dtype).removeprefix('torch.'):10} change {change.mean():+.1e} "
            f"(standard error {error:.1e}), divergence {divergence:.1e} bits per character"
        )


if __name__ == "__main__":
    main()
