"""Stage 6: compare the block sampling engine with the eager engine, and measure its speed.

python -m gpu_check.sampling [--same-text] [--texts 1 64 4096]
"""

import argparse
import sys
from dataclasses import replace

import torch
from sampling_speed import BLOCK, characters_per_second, make_generate, make_sample_blocks

from charrnn.config.model import ModelConfig
from charrnn.config.sampling import SampleConfig
from charrnn.data.vocabulary import Vocabulary
from charrnn.model.network import CharRNN
from charrnn.sampling.engines.cuda_graph import CudaGraphEngine
from charrnn.sampling.engines.eager import EagerEngine
from charrnn.sampling.loop import generate
from gpu_check.results import print_result
from gpu_check.stand_ins import capture, prepare_device

LENGTHS = {1: 6400, 64: 3200}  # characters of a text
LENGTH = 640


def make_network(model: ModelConfig, device: torch.device) -> CharRNN:
    """Return a network of 65 characters with random weights."""
    vocabulary = Vocabulary(("\n", *map(chr, range(32, 96))))
    return CharRNN(model, vocabulary).initialize(1).requires_grad_(False).to(device)


def compare_texts(model: CharRNN, length: int) -> bool:
    """Return whether both engines generate the same texts, with and without filters."""
    engines = CudaGraphEngine(model, capture, "float32"), EagerEngine(model)
    same = []
    plain = SampleConfig(length=length, seed=3, num_samples=4)
    for config in (plain, replace(plain, top_p=0.9), replace(plain, top_k=5, temperature=1.2)):
        texts, expected = (generate(engine, "A", config) for engine in engines)
        same.append(texts == expected)
        print(f"{config}: {'same texts' if same[-1] else 'different texts'}")
    print_result("sampling-same-text", all(same), "(1: same)")
    return all(same)


def main() -> None:
    """Compare the texts, or measure the speed for several numbers of texts."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--same-text", action="store_true")
    parser.add_argument("--texts", type=int, nargs="+", default=[1, 64, 4096])
    parser.add_argument("--rehearse", action="store_true")
    options = parser.parse_args()
    device = prepare_device(options.rehearse)
    tiny = ModelConfig(num_layers=2, hidden_size=16)
    model = make_network(tiny if options.rehearse else ModelConfig(), device)
    if options.same_text:
        sys.exit(not compare_texts(model, 2 * BLOCK if options.rehearse else 10 * BLOCK))
    engine = CudaGraphEngine(model, capture)
    for texts in options.texts:
        count, length = texts, LENGTHS.get(texts, LENGTH)
        if options.rehearse:
            count, length = min(texts, 8), BLOCK
        for part, prepare in (("engine", make_sample_blocks), ("generate", make_generate)):
            rate = characters_per_second(prepare(engine, count, length))
            print_result(f"sampling-{texts}-{part}", rate, "char/s")


if __name__ == "__main__":
    main()
