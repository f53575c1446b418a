"""Measure the loss of the mean prediction of several runs on the held-out part of their text.

    python benchmarks/ensemble_loss.py RUN RUN...

The runs must have the same text and held-out part. Each model reads it once, with its state carried
(as `charrnn score`). Prints the loss of each model and that of the mean of their probabilities, in
nats per character.

Shape suffixes: T characters, V characters of the vocabulary.
"""

import argparse
import sys

import numpy as np
import torch
from torch import Tensor

from charrnn.data.vocabulary import Codes
from charrnn.model.forward import forward_chunks
from charrnn.model.loading import load_checkpoint
from charrnn.runs.find import find_run
from charrnn.runs.text_reader import TextReader

CHUNK = 2_048  # characters of one forward pass


def compute_log_probabilities(run: str) -> tuple[Tensor, Codes]:
    """Return the log-probabilities after each held-out character but the last, and all codes."""
    checkpoint = find_run(run).select("best")
    codes_T = TextReader(checkpoint).split()[1]
    model = load_checkpoint(checkpoint)
    chunks = forward_chunks(model, codes_T[:-1, None], CHUNK)
    logits_TV = torch.cat([chunk.logits_TBV[:, 0].double() for chunk in chunks])
    return torch.log_softmax(logits_TV, 1), codes_T


@torch.inference_mode()
def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", nargs="+")
    runs = parser.parse_args().run
    sum_TV, expected = None, None
    for run in runs:
        log_probabilities_TV, codes_T = compute_log_probabilities(run)
        if expected is not None and not np.array_equal(codes_T, expected):
            sys.exit(f"{run} has another held-out part than {runs[0]}")
        expected = codes_T
        next_T1 = torch.from_numpy(codes_T[1:, None].astype(np.int64))
        print(f"{run}: {-log_probabilities_TV.gather(1, next_T1).mean():.4f}", flush=True)
        probabilities_TV = log_probabilities_TV.exp()
        sum_TV = probabilities_TV if sum_TV is None else sum_TV + probabilities_TV
    assert sum_TV is not None
    mean_TV = sum_TV / len(runs)
    print(f"mean of the probabilities: {-mean_TV.gather(1, next_T1).log().mean():.4f}")


if __name__ == "__main__":
    main()
