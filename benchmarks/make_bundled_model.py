"""Make the model that comes with charrnn from a run, and tell what its smaller weights cost.

    python benchmarks/make_bundled_model.py RUN FOLDER TEXT NAME

The averaged weights of the run's best checkpoint are kept in 16 bits, without what a run needs to
be resumed; NAME is the text's in the catalogue. Both are scored on the held-out part of the text
that the run learnt from.
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


def bundle(checkpoint: Checkpoint, folder: Path) -> Checkpoint:
    """Write a run folder that holds the checkpoint's model alone, in 16 bits."""
    config = checkpoint.run.config
    corpus = dataclasses.replace(config.corpus, name=sys.argv[4], path="")
    run = Run(folder, dataclasses.replace(config, corpus=corpus))
    run.create()
    run.metrics_path.write_bytes(checkpoint.run.metrics_path.read_bytes())
    arrays = {name: array.astype(np.float16) for name, array in checkpoint.load("model").items()}
    return run.save(checkpoint.step, arrays, {}, checkpoint.state)


def main() -> None:
    """Bundle and print."""
    checkpoint = find_run(sys.argv[1]).select("best")
    config = checkpoint.run.config
    bundled = bundle(checkpoint, Path(sys.argv[2]))
    corpus = Corpus.reopen(config.corpus, Vocabulary(config.vocabulary), sys.argv[3])
    _, held_out = corpus.split(config.training.val_fraction)
    for name, each in (("32 bits", checkpoint), ("16 bits", bundled)):
        print(f"{name}: {score_codes(load_checkpoint(each), held_out).bits_per_char:.6f} bits")
    size = sum(file.stat().st_size for file in bundled.run.path.rglob("*") if file.is_file())
    print(f"{bundled.run.path}: {size:,} bytes")


if __name__ == "__main__":
    main()
