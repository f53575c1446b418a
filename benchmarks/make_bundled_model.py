"""Make the bundled model from a run, and measure the effect of its 16-bit weights on the loss.

    python benchmarks/make_bundled_model.py RUN FOLDER TEXT NAME

FOLDER is the new run folder. It gets the averaged weights of the best checkpoint in 16 bits,
without the state of training. TEXT is the text that RUN was trained on, NAME its name in the
catalogue. Both checkpoints are scored on the held-out part of the text.
"""

import dataclasses
import sys
from pathlib import Path

import numpy as np

from charrnn.analysis.scoring import score_codes
from charrnn.data.corpus import Corpus
from charrnn.data.vocabulary import Vocabulary
from charrnn.model.loading import load_checkpoint
from charrnn.runs.checkpoint import Checkpoint
from charrnn.runs.find import find_run
from charrnn.runs.run import Run


def make_bundled_model(checkpoint: Checkpoint, folder: Path, corpus_name: str) -> Checkpoint:
    """Write a run folder that contains only the weights of a checkpoint, in 16 bits."""
    config = checkpoint.run.config
    corpus = dataclasses.replace(config.corpus, name=corpus_name, path="")
    run = Run(folder, dataclasses.replace(config, corpus=corpus))
    run.create()
    run.metrics_path.write_bytes(checkpoint.run.metrics_path.read_bytes())
    arrays = {name: array.astype(np.float16) for name, array in checkpoint.load("model").items()}
    squares = checkpoint.load_gradient_squares()
    return run.save(checkpoint.step, arrays, {}, checkpoint.state, squares)


def main() -> None:
    """Make the bundled model, and print the losses and the size."""
    checkpoint = find_run(sys.argv[1]).select("best")
    config = checkpoint.run.config
    bundled = make_bundled_model(checkpoint, Path(sys.argv[2]), sys.argv[4])
    corpus = Corpus.reopen(config.corpus, Vocabulary(config.vocabulary), sys.argv[3])
    _, held_out = corpus.split(config.training.val_fraction)
    for name, scored in (("32 bits", checkpoint), ("16 bits", bundled)):
        bits = score_codes(load_checkpoint(scored), held_out).bits_per_char
        print(f"{name}: {bits:.6f} bits per character")
    size = sum(file.stat().st_size for file in bundled.run.path.rglob("*") if file.is_file())
    print(f"{bundled.run.path}: {size:,} bytes")


if __name__ == "__main__":
    main()
