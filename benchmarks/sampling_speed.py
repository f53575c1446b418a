"""Measure the speed of the block engine, alone and through `charrnn.generate`.

    python benchmarks/sampling_speed.py [--device cuda] [--texts 1 64 4096] [--length N] [--run RUN]

"engine" is `CudaGraphEngine.sample_block` alone, one block after another. "generate" is
`charrnn.generate`. Prints the median over rounds, in characters of all texts per second. On a CPU,
a function replaces the CUDA graph. This tests the program; the speed has no meaning.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from charrnn.config.sampling import SampleConfig
from charrnn.model.loading import load_checkpoint
from charrnn.model.state import State
from charrnn.numerics.cuda_graph import cuda_graph
from charrnn.numerics.randomness import SampleUniforms
from charrnn.runs.find import BUNDLED, find_run
from charrnn.sampling.engines.cuda_graph import CudaGraphEngine
from charrnn.sampling.filters import Filters
from charrnn.sampling.loop import generate

BLOCK, ROUNDS = 64, 3
CHARACTERS = 2**21  # of all texts in a round, if there is a GPU
MIN_LENGTH, MAX_LENGTH = 640, 6400  # characters of one text


def make_sample_blocks(engine: CudaGraphEngine, texts: int, length: int) -> Callable[[], int]:
    """Return a function that samples blocks; it returns the number of characters."""
    filters, blocks = Filters.from_config(SampleConfig()), max(1, length // BLOCK)
    uniforms_KB = SampleUniforms(1, texts).block(0, BLOCK)
    logits_1V, state = engine.read(engine.vocabulary.encode(engine.line_start))
    all_texts_B = np.zeros(texts, np.int64)
    start: tuple[Any, State] = logits_1V[all_texts_B], engine.select_samples(state, all_texts_B)

    def run() -> int:
        logits, carried = start
        for _ in range(blocks):
            wait, logits, carried = engine.sample_block(logits, carried, uniforms_KB, filters)
        return wait().size * blocks

    return run


def make_generate(engine: CudaGraphEngine, texts: int, length: int) -> Callable[[], int]:
    """Return a function that generates texts; it returns the number of characters."""

    def run() -> int:
        return sum(map(len, generate(engine, num_samples=texts, length=length, seed=1)))

    return run


def characters_per_second(run: Callable[[], int]) -> float:
    """Return the median over rounds of the characters per second; the first call is not timed."""
    run()
    speeds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        characters = run()
        speeds.append(characters / (time.perf_counter() - start))
    return statistics.median(speeds)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--texts", type=int, nargs="+", default=[1, 64, 4096])
    parser.add_argument("--length", type=int, help="characters of each text")
    parser.add_argument("--precision", choices=["auto", "float32"], default="auto")
    parser.add_argument("--run", default=BUNDLED)
    arguments = parser.parse_args()
    model = load_checkpoint(find_run(arguments.run).select("best"), arguments.device)
    capture = cuda_graph if model.device.type == "cuda" else lambda work: work
    engine = CudaGraphEngine(model, capture, arguments.precision)
    name = torch.cuda.get_device_name() if model.device.type == "cuda" else "CPU"
    print(f"{name}, torch {torch.__version__}, precision {arguments.precision}")
    for texts in arguments.texts:
        length = arguments.length or min(max(CHARACTERS // texts, MIN_LENGTH), MAX_LENGTH)
        for part, prepare in (("engine", make_sample_blocks), ("generate", make_generate)):
            value = characters_per_second(prepare(engine, texts, length))
            print(f"RESULT sampling-{texts}-{part} {value:.0f} char/s", flush=True)


if __name__ == "__main__":
    main()
