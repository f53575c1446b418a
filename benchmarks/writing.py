"""Compare the writing of one text with the loop that everyone writes.

    python benchmarks/writing.py RUN [CHARACTERS]

The loop is an `nn.LSTM` of the run's sizes fed one character at a time, softmax and `multinomial`;
the others write with the run's best checkpoint. All take turns, and each must have written its
characters. Prints medians, slowest and fastest in characters a second, and the ratio to the loop.
"""

import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import nn

from charrnn.config import ModelConfig
from charrnn.device import set_threads
from charrnn.runs import find_run
from charrnn.sampling import generate
from charrnn.writers import writer_of

ROUNDS = 5


class StockLoop:
    """Embedding, LSTM, Linear; a step a character."""

    def __init__(self, shape: ModelConfig, vocabulary_size: int) -> None:
        self._embedding = nn.Embedding(vocabulary_size, shape.hidden_size)
        self._layers = nn.LSTM(shape.hidden_size, shape.hidden_size, shape.num_layers)
        self._output = nn.Linear(shape.hidden_size, vocabulary_size)

    def write(self, length: int) -> int:
        """Draw `length` characters; return how many were."""
        code, state, written = torch.zeros(1, 1, dtype=torch.long), None, []
        with torch.inference_mode():
            for _ in range(length):
                output, state = self._layers(self._embedding(code), state)
                p_V = torch.softmax(self._output(output[0, 0]) / 0.8, dim=0)
                code = torch.multinomial(p_V, 1)[None]
                written.append(int(code))
        return len(written)


def main() -> None:
    """Measure and print."""
    checkpoint = find_run(sys.argv[1]).select("best")
    length = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    config = checkpoint.run.config
    threads = set_threads(None)
    loop = StockLoop(config.model, len(config.vocabulary))
    compiled = writer_of(checkpoint, device="cpu")
    network = writer_of(checkpoint, device="cpu", precision="float32")
    contenders: dict[str, Callable[[], int]] = {
        "stock loop": lambda: loop.write(length),
        "charrnn, 8-bit weights": lambda: len(generate(compiled, length=length, seed=1)[0]),
        "charrnn, float32": lambda: len(generate(network, length=length, seed=1)[0]),
    }
    speeds: dict[str, list[float]] = {name: [] for name in contenders}
    for write in contenders.values():
        write()
    for _ in range(ROUNDS):
        for name, write in contenders.items():
            begun = time.perf_counter()
            assert write() == length, name
            speeds[name].append(length / (time.perf_counter() - begun))
    print(f"{length:,} characters, {ROUNDS} rounds, {threads} threads, torch {torch.__version__}")
    stock = speeds["stock loop"]
    for name, found in speeds.items():
        ratio = statistics.median(own / other for own, other in zip(found, stock, strict=True))
        print(
            f"{name:24} {statistics.median(found):8,.0f} a second ({min(found):,.0f} to "
            f"{max(found):,.0f}), {ratio:.1f} times the loop"
        )


if __name__ == "__main__":
    main()
